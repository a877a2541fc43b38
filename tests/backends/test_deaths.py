"""Whatever is killed on a cluster, maps end with right results or a true verdict."""

import functools
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap
from tests.driver import Driver, driving
from tests.sites import Site

from gridmap import JobMonitor
from gridmap.errors import JobException
from gridmap.events import JobFailed, JobsGranted, RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]


def meeting(place: Path, *, once: bool = False) -> Any:
    """Return a function whose jobs say that they run, and wait."""
    return functools.partial(jobs.meet_once if once else jobs.meet, str(place))


def handle_of(running: BackgroundMap, mark: traces.Mark) -> str:
    """Return the scheduler's handle of the runner that left a mark."""

    def known() -> str | None:
        for event in running.of(RunnerUp):
            if (event.node, event.pid) == (mark.node, mark.runner):
                return event.handle
        return None

    handle = eventually(known, within_s=5, what="the runner's hello", gap_s=0.05)
    assert handle is not None
    return handle


def test_a_killed_runners_job_is_run_again(site: Site, tmp_path: Path) -> None:
    """Kill -9 of a runner in mid-job: it is resubmitted, and the result is right."""
    function = meeting(tmp_path, once=True)
    running = BackgroundMap(function, range(4), max_workers=4, **site.options)
    mark = traces.await_marks(tmp_path, "job2")[0]
    site.kill(mark.node, mark.runner)
    traces.await_marks(tmp_path, "job2", 2, within_s=40)
    (tmp_path / "go").touch()
    assert running.wait(60) == [0, 1, 4, 9]
    (failed,) = running.of(JobFailed)
    assert (failed.job, failed.again, failed.verdict.attempt) == (2, True, 1)
    assert failed.verdict.node == mark.node
    assert failed.verdict.cause is not Cause.KILLED
    attempts = {e.attempt for e in running.of(JobsGranted) if e.first <= 2 < e.stop}
    assert attempts == {1, 2}


def test_a_killed_worker_gets_a_verdict(site: Site, tmp_path: Path) -> None:
    """Kill -9 of a worker in mid-job: SIGNALLED, told by the runner that saw it."""
    function = meeting(tmp_path)
    running = BackgroundMap(
        function, range(3), max_workers=3, return_exceptions=True, **site.options
    )
    mark = traces.await_marks(tmp_path, "job1")[0]
    site.kill(mark.node, mark.worker)
    (tmp_path / "go").touch()
    results = running.wait(60)
    assert [results[0], results[2]] == [0, 4]
    assert isinstance(results[1], JobException), results
    verdict = results[1].verdict
    assert verdict.cause is Cause.SIGNALLED
    assert verdict.signal == signal.SIGKILL
    assert verdict.attempt == 1
    assert verdict.node == mark.node
    assert Witness.WORKER in {said.witness for said in verdict.statements}


def test_a_runner_told_to_end_is_replaced_or_told_of(
    site: Site, tmp_path: Path
) -> None:
    """SIGTERM to a runner, from nobody knows whom: right results or a verdict."""
    function = meeting(tmp_path, once=True)
    running = BackgroundMap(
        function, range(2), max_workers=2, return_exceptions=True, **site.options
    )
    mark = traces.await_marks(tmp_path, "job1")[0]
    site.kill(mark.node, mark.runner, signal.SIGTERM)
    eventually(
        lambda: running.of(JobFailed), within_s=40, what="the job's end", gap_s=0.1
    )
    (tmp_path / "go").touch()
    results = running.wait(60)
    assert results[0] == 0
    (failed,) = running.of(JobFailed)
    if failed.again:
        assert results[1] == 1
    else:
        assert results[1].verdict.cause in (Cause.KILLED, Cause.SIGNALLED)
    assert "SIGTERM" in failed.verdict.explain()


SCRIPT = """
    import functools, sys
    from gridmap import grid_map
    from tests import jobs

    grid_map(functools.partial(jobs.meet, sys.argv[1]), range({count}), **{options!r})
"""


@contextmanager
def mapping(
    site: Site, place: Path, count: int = 12, **options: Any
) -> Iterator[Driver]:
    """Run a script with eight runners in mid-job; on a cluster the others wait."""
    options = {**site.options, "max_workers": count, **options}
    text = SCRIPT.format(options=options, count=count)
    environ = {"PYTHONPATH": str(ROOT)}
    with driving(place, text, str(place), environ=environ) as driver:
        for number in range(8):
            traces.await_marks(place, f"job{number}", within_s=40)
        yield driver


def test_ctrl_c_kills_everything(site: Site, tmp_path: Path) -> None:
    """Ctrl-C: queue and nodes are empty when the script has ended."""
    with mapping(site, tmp_path) as driver:
        name = site.options["name"]
        assert len(site.pids()) >= 16
        assert bool(site.queue(name)) == (site.backend != "local")
        driver.interrupt()
        assert driver.wait(30) == -signal.SIGINT
        assert site.pids() == []
        site.await_end(name, within_s=3)
    assert driver.stderr.rstrip().endswith("KeyboardInterrupt")
    assert traces.directories(site.runs) == []


def test_a_script_that_is_killed_is_missed(site: Site, tmp_path: Path) -> None:
    """Kill -9 of the script: its runners end when the orphan time is over."""
    import shutil

    settings = {"orphan_time": 3, "heartbeat_interval": 1}
    with mapping(site, tmp_path, 8, settings=settings) as driver:
        driver.kill(signal.SIGKILL)
        driver.wait(5)
        site.await_end(site.options["name"], within_s=20)
    for directory in traces.directories(site.runs):
        shutil.rmtree(directory)


def test_an_exception_in_the_block_kills_everything(site: Site, tmp_path: Path) -> None:
    """Leaving a monitor's block by an exception: queue and nodes are empty at once."""
    monitor = JobMonitor(backend=site.backend, name=site.options["name"])
    with pytest.raises(LookupError), monitor:  # noqa: PT012 - leaving it is the test
        calls = [((number,), None) for number in range(10)]
        monitor.add(meeting(tmp_path), calls)
        traces.await_marks(tmp_path, "job0")
        raise LookupError
    assert site.pids() == []
    site.await_end(site.options["name"], within_s=3)


def test_a_failing_map_kills_the_rest(site: Site, tmp_path: Path) -> None:
    """The first exception ends the other jobs, running and waiting, before it is raised."""
    running = BackgroundMap(
        functools.partial(fail_first, str(tmp_path)),
        range(12),
        max_workers=12,
        **site.options,
    )
    error = running.wait(60)
    assert isinstance(error, jobs.Teapot), error
    assert site.pids() == []
    site.await_end(site.options["name"], within_s=3)


def fail_first(place: str, number: int) -> int:
    """Fail as soon as another job runs."""
    if number == 0:
        jobs.await_file(Path(place, "fail"))
        raise jobs.Teapot(0)
    Path(place, "fail").touch()
    return jobs.meet(place, number)


def stand_still(_: object) -> None:
    """Wait for what never comes."""
    threading.Event().wait(60)


def test_a_stall_is_told_with_the_place_where_it_stands(site: Site) -> None:
    """On a node like here: the worker's own stack."""
    running = BackgroundMap(
        stand_still,
        [1],
        settings={"heartbeat_interval": 1.0, "stall_limit": 6.0, "num_resubmits": 0},
        **site.options,
    )
    error = running.wait(60)
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.STALLED
    assert "in stand_still" in error.verdict.stack
    assert error.verdict.node
