"""However the user's process ends, nobody is left behind."""

import contextlib
import functools
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.driver import Driver, driving

from gridmap import JobMonitor, grid_map
from gridmap.testing import eventually

SCRIPT = """
    import functools, sys
    from gridmap import grid_map
    from tests import jobs

    print("begin")
    grid_map(functools.partial(jobs.meet, sys.argv[1]), range(8), backend="local",
             max_workers=3)
"""

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def mapping(place: Path, text: str = SCRIPT) -> Iterator[Driver]:
    """Run a script whose three runners are in mid-job."""
    environ = {"PYTHONPATH": str(ROOT)}
    with driving(place, text, str(place), environ=environ) as driver:
        for number in range(3):
            traces.await_marks(place, f"job{number}")
        yield driver


def await_nobody(runs: Path, within_s: float) -> None:
    """Wait until no runner and no worker of these runs is alive."""
    eventually(
        lambda: not traces.processes(runs),
        within_s=within_s,
        what="runners and workers to be gone",
        gap_s=0.05,
    )


@pytest.mark.slow
def test_ctrl_c_ends_everything(tmp_path: Path, runs: Path) -> None:
    """Ctrl-C raises KeyboardInterrupt after every process has been seen to end."""
    with mapping(tmp_path) as driver:
        assert len(traces.processes(runs)) >= 6  # each runner has its worker
        begin = time.monotonic()
        driver.interrupt()
        status = driver.wait(8)
        seconds = time.monotonic() - begin
        assert traces.processes(runs) == []  # at once: it was waited for
    assert status == -signal.SIGINT
    assert driver.stderr.rstrip().endswith("KeyboardInterrupt")
    assert seconds < 5
    assert traces.directories(runs) == []


@pytest.mark.slow
def test_an_interrupt_of_the_script_alone_ends_everything(
    tmp_path: Path, runs: Path
) -> None:
    """SIGINT to nobody but the script, as `kill -INT` sends it, does the same."""
    with mapping(tmp_path) as driver:
        driver.kill(signal.SIGINT)
        assert driver.wait(8) == -signal.SIGINT
        assert traces.processes(runs) == []
    assert traces.directories(runs) == []


@pytest.mark.slow
def test_an_impatient_user_gets_away(tmp_path: Path, runs: Path) -> None:
    """Ctrl-C again and again ends the script too, and leaves nobody behind."""
    with mapping(tmp_path) as driver:
        for _ in range(3):
            with contextlib.suppress(ProcessLookupError):
                driver.interrupt()
        driver.wait(8)
        await_nobody(runs, 5)


@pytest.mark.slow
def test_a_script_that_is_killed_leaves_nobody_behind(
    tmp_path: Path, runs: Path
) -> None:
    """Kill -9 of the script ends runners and workers within seconds, with no word."""
    with mapping(tmp_path) as driver:
        driver.kill(signal.SIGKILL)
        driver.wait(2)
        await_nobody(runs, 5)
    _remove(runs)


@pytest.mark.slow
def test_a_script_that_is_told_to_end_leaves_nobody_behind(
    tmp_path: Path, runs: Path
) -> None:
    """SIGTERM, which Python does not handle, is no worse than kill -9."""
    with mapping(tmp_path) as driver:
        driver.kill(signal.SIGTERM)
        driver.wait(5)
        await_nobody(runs, 5)
    _remove(runs)


def _remove(runs: Path) -> None:
    """Remove what a killed script could not."""
    import shutil

    (directory,) = traces.directories(runs)
    shutil.rmtree(directory)


@pytest.mark.slow
def test_a_job_that_ignores_signals_is_ended_all_the_same(
    tmp_path: Path, runs: Path
) -> None:
    """A function that ignores every signal it can does not outlive Ctrl-C."""
    text = """
        import signal, sys
        from gridmap import grid_map
        from tests import jobs

        def stubborn(number):
            for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(name, signal.SIG_IGN)
            return jobs.meet(sys_argv, number)

        sys_argv = sys.argv[1]
        grid_map(stubborn, range(3), backend="local", max_workers=3)
    """
    with mapping(tmp_path, text) as driver:
        driver.interrupt()
        assert driver.wait(10) == -signal.SIGINT
        assert traces.processes(runs) == []


@pytest.mark.slow
def test_what_a_job_started_is_ended_too(tmp_path: Path, runs: Path) -> None:
    """Programs that a job has started end with it at Ctrl-C."""
    text = """
        import subprocess, sys
        from gridmap import grid_map
        from tests import jobs

        def start(number):
            subprocess.Popen(["sleep", "1000"])
            return jobs.meet(place, number)

        place = sys.argv[1]
        grid_map(start, range(3), backend="local", max_workers=3)
    """
    with mapping(tmp_path, text) as driver:
        names = [process.name() for process in traces.processes(runs)]
        assert names.count("sleep") == 3
        driver.interrupt()
        driver.wait(10)
        await_nobody(runs, 2)


@pytest.mark.slow
def test_an_exception_in_the_block_kills_everything(tmp_path: Path, runs: Path) -> None:
    """Leaving the `with` block of a monitor by an exception kills what runs."""
    with pytest.raises(LookupError), JobMonitor(backend="local") as monitor:  # noqa: PT012 - leaving it is the test
        function = functools.partial(jobs.meet, str(tmp_path))
        calls = [((number,), None) for number in range(2)]
        monitor.add(function, calls)
        traces.await_marks(tmp_path, "job0")
        assert traces.processes(runs)
        begin = time.monotonic()
        raise LookupError
    assert time.monotonic() - begin < 4  # killed, not asked to end
    assert traces.processes(runs) == []
    assert traces.directories(runs) == []


@pytest.mark.slow
def test_leaving_the_block_early_waits_for_nobody(tmp_path: Path, runs: Path) -> None:
    """Leaving the block with jobs still running ends them, and not by a hang."""
    with JobMonitor(backend="local") as monitor:
        monitor.add(functools.partial(jobs.meet, str(tmp_path)), [((0,), None)])
        traces.await_marks(tmp_path, "job0")
        begin = time.monotonic()
    assert time.monotonic() - begin < 20
    assert traces.processes(runs) == []


@pytest.mark.slow
def test_a_failing_map_ends_the_jobs_that_still_run(tmp_path: Path, runs: Path) -> None:
    """The first exception ends the other jobs before it is raised."""

    def one_fails(place: str, number: int) -> int:
        if number == 0:
            jobs.await_file(Path(place, "fail"))
            raise jobs.Teapot(0)
        Path(place, "fail").touch()
        return jobs.meet(place, number)

    function = functools.partial(one_fails, str(tmp_path))
    with pytest.raises(jobs.Teapot):
        grid_map(function, range(2), backend="local", max_workers=2)
    assert traces.processes(runs) == []
    assert traces.directories(runs) == []
