"""The backend with real programs on PATH that behave as ill as a site's wrappers can."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.unit.slurm.batches import BATCH, CONTEXT

from gridmap.backend import Handle, Killed, NotAsked, Observed, Rejected
from gridmap.plugins import RunPlugins
from gridmap_slurm import controller
from gridmap_slurm.backend import SlurmBackend

HEADER = "gridmap|JOBID|STATE|EXEC_HOST|REASON|COMMENT"
HANDLE = Handle("7", "1")
ILL = {
    "fails": "echo 'slurm_load_jobs error: Unable to contact' >&2; exit 1",
    "dies": "kill -9 $$",
    "hangs": "sleep 20",
    "says nothing": "exit 0",
    "prints rubbish": r"printf '\377\376\000\001|7|'; exit 0",
    "prints too much": "yes rubbish | head -c 3000000; exit 0",
    "is cut off": f"echo '{HEADER}'; printf 'gridmap|7_1|RUN'; exit 0",
}

Install = Callable[[Mapping[str, str]], RunPlugins]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put programs on PATH and return a run that uses them."""
    monkeypatch.setattr(controller, "QUERY_TIMEOUT_S", 0.7)
    monkeypatch.setattr(controller, "SUBMIT_TIMEOUT_S", 0.7)
    monkeypatch.setenv("PATH", str(tmp_path))  # where Slurm is, none of it is found

    def put(programs: Mapping[str, str]) -> RunPlugins:
        for name, body in programs.items():
            (tmp_path / name).write_text(
                f"#!/bin/sh\nPATH=/usr/bin:/bin\ncd {tmp_path}\n{body}\n"
            )
            (tmp_path / name).chmod(0o755)
        return RunPlugins(SlurmBackend(), CONTEXT, name="slurm")

    return put


@pytest.mark.parametrize("body", ILL.values(), ids=ILL)
def test_no_illness_of_squeue_is_news_of_a_runner(install: Install, body: str) -> None:
    """Nobody is dead, nobody is forgotten, nothing crashes."""
    run = install({"squeue": body, "scancel": "exit 0", "scontrol": body})
    observed = run.observe(frozenset({HANDLE}))
    assert isinstance(observed, NotAsked)
    assert observed.text
    assert run.postmortem(frozenset({HANDLE})) == {}
    assert run.kill(frozenset({HANDLE})) == {HANDLE: Killed.KILLED}


@pytest.mark.parametrize("body", ILL.values(), ids=ILL)
def test_no_illness_of_sbatch_submits_twice(install: Install, body: str) -> None:
    """What it may have done is looked up, here by a healthy squeue."""
    comment = "gridmap:5eed:4"
    run = install(
        {
            "sbatch": f"echo >> calls; {body}",
            "squeue": f"echo '{HEADER}'; echo 'gridmap|7_1|RUNNING|n1|None|{comment}'",
        }
    )
    answer = run.submit(BATCH)[4]
    if "Unable to contact" in body:
        assert isinstance(answer, Rejected)
    else:
        assert answer == HANDLE
        run.submit(BATCH)
    assert set(run.submit(BATCH)) == set(BATCH.runners)


def test_a_talkative_site(install: Install) -> None:
    """Banners on both streams, ids with a cluster, lines that are not ours."""
    run = install(
        {
            "sbatch": "echo welcome; echo 'sbatch: lua: hi' >&2; cat >script; "
            "echo '7;cluster'",
            "squeue": f"echo '*** maintenance ***'; echo 'CLUSTER: c'; echo '{HEADER}'; "
            "echo; echo 'gridmap|7_[1-2%1]|PENDING|n/a|Resources|x'",
        }
    )
    handles = run.submit(BATCH)
    assert handles[4] == HANDLE
    observed = run.observe(frozenset(handles.values()))  # type: ignore[arg-type]
    assert isinstance(observed, Observed)
    assert observed.absent == {Handle("7", "3")}


def test_without_any_program_nothing_crashes(install: Install) -> None:
    """As when the environment module was unloaded in mid-run."""
    run = install({})
    assert isinstance(run.observe(frozenset({HANDLE})), NotAsked)
    assert run.kill(frozenset({HANDLE})) == {HANDLE: Killed.FAILED}
    assert run.postmortem(frozenset({HANDLE})) == {}
    for answer in run.submit(BATCH).values():
        assert isinstance(answer, Rejected)
        assert "sbatch could not be started" in answer.text
    run.close()
