"""What the real cluster grants, and in which words it refuses."""

import logging

import pytest
from tests.backends.sge.conftest import Run

from gridmap.backend import Handle, Seen, SeenState
from gridmap.testing import eventually

pytestmark = [pytest.mark.cluster("sge"), pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"queue": "nope.q"}, 'unknown queue "nope.q"'),
        (
            {"cores": 2, "options": {"par_env": "nope"}},
            'environment "nope" does not exist',
        ),
        ({"account": "nope"}, 'project "nope" does not exist'),
        ({"options": {"resources": "nope=1"}}, 'unknown resource "nope"'),
        ({"nodes": ["nope"]}, 'can\'t resolve hostname "nope"'),
        ({"memory_limit": "500G"}, "offers only hc:h_vmem=64.000G"),
        ({"cores": 9}, 'cannot run in PE "smp"'),
        ({"gpus": 3}, "offers only hc:gpu=1.000000"),
        ({"native": ["-nope"]}, 'invalid option argument "-nope"'),
        ({"options": {"validation_level": "x"}}, "validation_level='x'"),
        ({"queue": "all.q -l gpu=1"}, "cannot be handed to Grid Engine"),
    ],
    ids=str,
)
def test_refusals(run: Run, fields: dict[str, object], words: str) -> None:
    """At once, for good, in the scheduler's own words."""
    refusal = run.refused("/bin/true", **fields)
    assert not refusal.transient
    assert words in refusal.text
    assert run.plugins.attach() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"queue": "all.q"},
        {"queue": "*@n1"},
        {"cores": 2, "walltime": "10m", "memory_limit": "2G"},
        {"gpus": 1},
        {"nodes": ["n1", "n2"]},
        {"nodes": ["n1", "not-a-node"]},
        {"memory": "10M"},
        {"memory": "10M", "cores": 2},
        {"memory": "10M", "options": {"validation_level": "n"}},
        {"options": {"interpreting_shell": "/bin/sh", "max_running": "1"}},
        {"native": ["-l h_fsize=1G", "-R", "y", "-p", "-3"]},
    ],
    ids=str,
)
def test_grants(run: Run, fields: dict[str, object]) -> None:
    """It runs, and ends well."""
    assert run.autopsy("/bin/true", **fields).exit_status == 0


@pytest.mark.parametrize(
    ("fields", "node"),
    [({"avoid": ["n1"]}, "n2"), ({"nodes": ["n1", "n2"], "avoid": ["n2"]}, "n1")],
)
def test_nodes_are_avoided(run: Run, fields: dict[str, object], node: str) -> None:
    """Each of four runners."""
    handles = run.start("/bin/hostname", count=4, **fields)
    run.autopsies(handles)
    assert {(run.place / f"{h}.log").read_text().strip() for h in handles} == {node}


def test_two_hundred_in_one_array(run: Run) -> None:
    """One submission; every one ends, and its end is told without accounting."""
    handles = run.start("/bin/true", count=200)
    assert len({handle.job for handle in handles}) == 1
    told = run.autopsies(handles)
    assert {one.exit_status for one in told.values()} == {0}
    assert len(list(run.place.glob("*.log"))) == 200


def test_the_largest_array_is_the_cells(run: Run) -> None:
    """One more is refused."""
    largest = run.plugins.capabilities().largest_array
    assert largest == 500
    answers = run.plugins.submit(run.batch("/bin/true", count=501))
    assert "more than 500 tasks" in str(next(iter(answers.values())))
    handles = run.start("/bin/sleep", "100", count=500, native=["-h"])
    killed = run.plugins.kill(frozenset(handles))
    assert len(killed) == 500
    assert run.plugins.attach() == {}


def test_other_schedulers_options_are_ignored(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning."""
    with caplog.at_level(logging.WARNING):
        run.autopsy("/bin/true", options={"qos": "high"})
    assert ["qos" in record.getMessage() for record in caplog.records] == [True]


def test_a_held_runner_is_held(run: Run) -> None:
    """And it is said why."""
    (handle,) = run.start("/bin/true", native=["-h"])
    seen = run.look([handle]).seen[handle]
    assert (seen.state, seen.raw) == (SeenState.HELD, "hqw")
    assert "hold" in seen.reason


def test_a_full_cluster_is_explained(run: Run) -> None:
    """In plain words, where none that asked for the same is at work."""
    first = run.start("/bin/sleep", "100", count=8)
    run.runs(first[0])
    handles = run.start("/bin/sleep", "100", walltime=500)

    def reason() -> str:
        waits = [s for s in run.look(handles).seen.values() if s.raw == "qw"]
        run.scheduler._waiting._asked_at = None  # a minute is too long here
        return waits[0].reason if len(waits) == 1 else ""

    text = eventually(reason, within_s=30, what="a reason")
    assert "all slots are taken" in text


def test_an_impossible_request_is_found_out(run: Run) -> None:
    """Where it was not validated when it was submitted."""
    options = {"validation_level": "n"}
    (handle,) = run.start("/bin/true", memory_limit="500G", options=options)
    run.look([handle])
    waiting = run.scheduler._waiting
    waiting._asked_at = -1000.0  # a minute later
    seen = run.look([handle]).seen[handle]
    assert seen.state is SeenState.BLOCKED
    assert "no queue can ever run it" in seen.reason
    assert "h_vmem=64.000G" in seen.reason


def test_suspended_runners_live(run: Run) -> None:
    """They are neither lost nor running."""
    import subprocess

    (handle,) = run.start("/bin/sleep", "100")
    run.runs(handle)
    subprocess.run(["qmod", "-sj", str(handle)], check=True, capture_output=True)
    run.until(
        handle,
        lambda seen: seen is not None and seen.state is SeenState.SUSPENDED,
        "suspended",
    )
    subprocess.run(["qmod", "-usj", str(handle)], check=True, capture_output=True)
    seen = run.runs(handle)
    assert isinstance(seen, Seen)


def test_strangers_are_absent(run: Run) -> None:
    """Handles of another life, or of nobody's."""
    handles = frozenset({Handle("9999999", "1"), Handle("9999999")})
    assert run.look(handles).absent == handles
    assert run.plugins.postmortem(handles) == {}
