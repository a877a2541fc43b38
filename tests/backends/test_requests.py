"""Requests a cluster cannot or will not serve: its own words, and nothing left."""

import logging
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap
from tests.integration.test_nodes import STRANGER
from tests.sites import Site

from gridmap import Job, grid_map, process_jobs
from gridmap.errors import InvalidRequestError, JobException, RunError
from gridmap.events import RunnerPending, RunnersSubmitted
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def program(place: Path, text: str) -> str:
    """Write an executable file and return its path."""
    path = place / "python"
    path.write_text(textwrap.dedent(text).lstrip())
    path.chmod(0o755)
    return str(path)


def rejection(site: Site, **options: Any) -> str:
    """Return what is said when the scheduler refuses a map."""
    running = BackgroundMap(jobs.square, [1, 2], **site.options, **options)
    error = running.wait()
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.REJECTED, str(error)
    assert running.of(RunnersSubmitted) == []
    return str(error)


def test_an_unknown_queue_is_told_in_the_schedulers_words(cluster_site: Site) -> None:
    """A queue or partition that does not exist: refused at once, with the reason."""
    text = rejection(cluster_site, queue="no-such-queue")
    words = {
        "sge": r"no-such-queue",
        "slurm": r"[Ii]nvalid partition",
    }
    assert re.search(words[cluster_site.backend], text), text


def test_an_unknown_parallel_environment_is_told(cluster_site: Site) -> None:
    """Grid Engine names it; to Slurm, which has none, the word is nothing."""
    options: dict[str, Any] = {"num_slots": 2, "par_env": "no-such-pe"}
    if cluster_site.backend == "sge":
        text = rejection(cluster_site, **options)
        assert "no-such-pe" in text
    else:
        results = grid_map(jobs.square, [3], **options, **cluster_site.options)
        assert results == [9]


def test_an_unknown_project_is_told(cluster_site: Site) -> None:
    """Grid Engine refuses an unknown project; this Slurm has no accounts to know."""
    if cluster_site.backend == "sge":
        text = rejection(cluster_site, project="no-such-project")
        assert "no-such-project" in text
    else:
        results = grid_map(jobs.square, [3], project="nobody", **cluster_site.options)
        assert results == [9]


def test_an_impossible_node_is_told(cluster_site: Site) -> None:
    """A node that does not exist is refused, with its name."""
    with pytest.raises((JobException, InvalidRequestError)) as caught:
        grid_map(jobs.square, [1], white_list=["no-such-node"], **cluster_site.options)
    if isinstance(caught.value, JobException):
        assert caught.value.verdict.cause is Cause.REJECTED, str(caught.value)
    if cluster_site.backend == "slurm":
        assert "no-such-node" in str(caught.value)


def test_a_request_nobody_can_serve_is_told_at_once(cluster_site: Site) -> None:
    """Where the scheduler can know that it never can, it is asked to say so."""
    text = rejection(cluster_site, gpu=7)
    words = {
        "sge": "no suitable queues",
        "slurm": "node configuration is not available",
    }
    assert words[cluster_site.backend] in text


@pytest.fixture
def impossible(cluster_site: Site) -> Iterator[dict[str, Any]]:
    """Return a request that is accepted and waits for ever; undo what made it so."""
    if cluster_site.backend == "sge":
        yield {"gpu": 7, "validation_level": "n"}
        return
    drain = ["scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=by a test"]
    cluster_site.cluster.admin(drain)
    yield {"white_list": ["n1"]}
    cluster_site.cluster.repair()


def test_a_request_that_waits_for_ever_is_explained(
    cluster_site: Site, impossible: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """While it waits a warning gives the reason; after start_timeout an error does."""
    with caplog.at_level(logging.WARNING, "gridmap"):
        running = BackgroundMap(
            jobs.square,
            [1, 2, 3],
            settings={"start_timeout": 6, "query_interval": 1},
            **impossible,
            **cluster_site.options,
        )
        error = running.wait(60)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.NEVER_STARTED, str(error)
    assert "did not start it within" in str(error)
    pending = running.of(RunnerPending)
    assert pending
    assert pending[-1].reason in str(error)
    warned = [r.getMessage() for r in caplog.records if "does not start" in r.message]
    assert any(pending[0].reason in text for text in warned), warned
    assert len(warned) == len(set(warned)) <= 3


def test_a_full_cluster_is_no_error(cluster_site: Site, tmp_path: Path) -> None:
    """Runners that wait behind others' work for longer than the timeout are let be.

    The timeout is for maps none of whose runners starts.
    """
    site = cluster_site
    import functools

    running = BackgroundMap(
        functools.partial(jobs.meet, str(tmp_path)),
        range(10),
        settings={"start_timeout": 2, "query_interval": 0.5},
        **site.options,
    )
    for number in range(8):
        traces.await_marks(tmp_path, f"job{number}")
    begin = time.monotonic()
    eventually(
        lambda: time.monotonic() > begin + 4, within_s=9, what="the timeout to be over"
    )
    (tmp_path / "go").touch()
    assert running.wait(60) == [number * number for number in range(10)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"interface": "no-such-interface0"}, "no-such-interface0"),
        ({"host": "no-such-host.invalid"}, "no-such-host.invalid"),
        ({"port_range": "1-2"}, "1"),
    ],
    ids=str,
)
def test_no_address_that_a_node_could_reach(
    cluster_site: Site, settings: dict[str, object], words: str
) -> None:
    """An interface or host of no use is told before anything is submitted."""
    events: list[Any] = []
    with pytest.raises((RunError, InvalidRequestError), match=words):
        grid_map(
            jobs.square,
            [1],
            settings=settings,
            progress=events.append,
            **cluster_site.options,
        )
    assert events == []


def test_a_host_and_ports_can_be_chosen(cluster_site: Site) -> None:
    """Interface and ports that are there are used."""
    results = grid_map(
        jobs.square,
        [4],
        settings={"host": "head", "port_range": "23456-23476"},
        **cluster_site.options,
    )
    assert results == [16]


def test_another_python_on_the_nodes_is_named(
    cluster_site: Site, tmp_path: Path
) -> None:
    """Which node, its Python and ours, and what to do."""
    site, note = cluster_site, tmp_path / "note"
    python = program(
        tmp_path,
        STRANGER.format(
            python=sys.executable,
            version="m.VERSION",
            theirs="(3, 9, 1)",
            note=str(note),
        ),
    )
    with pytest.raises(JobException) as caught:
        grid_map(
            jobs.square,
            [1],
            settings={"python": python, "num_resubmits": 0},
            **site.options,
        )
    assert caught.value.verdict.cause is Cause.ENVIRONMENT_BROKEN, str(caught.value)
    assert re.search(r"node n[12] has Python 3\.9\.1", str(caught.value))
    assert "setting python" in str(caught.value)
    eventually(note.exists, within_s=5, what="the runner's refusal", gap_s=0.05)
    assert "Python 3.9.1" in note.read_text()


def test_a_node_without_the_package_is_named(
    cluster_site: Site, tmp_path: Path
) -> None:
    """The log's last words are in the error, with the node."""
    python = program(tmp_path, f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    with pytest.raises(JobException) as caught:
        grid_map(
            jobs.square,
            [1],
            settings={"python": python, "num_resubmits": 0},
            **cluster_site.options,
        )
    text = str(caught.value)
    assert caught.value.verdict.cause is Cause.ENVIRONMENT_BROKEN, text
    assert "No module named" in text
    assert re.search(r"on n[12]", text), text


def test_an_interpreter_that_is_not_there_is_named(cluster_site: Site) -> None:
    """A path that no node has is in the error."""
    with pytest.raises(JobException) as caught:
        grid_map(
            jobs.square,
            [1],
            settings={"python": "/no/such/python", "num_resubmits": 0},
            **cluster_site.options,
        )
    text = str(caught.value)
    assert "/no/such/python" in text
    assert caught.value.verdict.cause is Cause.ENVIRONMENT_BROKEN, text


def test_gridmaps_requests_are_granted(cluster_site: Site) -> None:
    """Queue, slots, memory, time and nodes as GridMap's users write them."""
    queue = {"sge": "all.q", "slurm": "main"}[cluster_site.backend]
    made = [
        Job(
            jobs.whereabouts,
            [0],
            name="a it(0)",
            queue=queue,
            num_slots=2,
            h_vmem="2G",
            h_rt="00:05:00",
        ),
        Job(jobs.environment, ["OMP_NUM_THREADS"], h_rt=600, mem_free="100M"),
    ]
    results = process_jobs(
        made, white_list=["n2"], backend=cluster_site.backend, quiet=False
    )
    assert results[0][0] == "n2"


def test_a_map_may_ask_for_nodes_by_gridmaps_names(cluster_site: Site) -> None:
    """A white list of one node is obeyed by all runners."""
    results = grid_map(
        jobs.whereabouts, range(6), white_list=["n1"], **cluster_site.options
    )
    assert {node for node, _, _ in results} == {"n1"}
