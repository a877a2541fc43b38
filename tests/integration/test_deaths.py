"""However a job's processes die, the map ends with a verdict or the right result."""

import functools
import os
import signal
import threading
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap

from gridmap import grid_map
from gridmap.errors import JobException
from gridmap.events import JobFailed, JobsGranted, RunnerUp
from gridmap.verdict import Cause, Witness


@pytest.mark.parametrize(
    ("way", "cause", "status", "number"),
    [
        ("os._exit(3)", Cause.EXITED, 3, None),
        ("os._exit(0)", Cause.EXITED, 0, None),
        ("sys.exit(4)", Cause.EXITED, 4, None),
        ("segmentation fault", Cause.SIGNALLED, None, signal.SIGSEGV),
        ("kill -9", Cause.SIGNALLED, None, signal.SIGKILL),
    ],
)
def test_a_job_that_ends_its_process_gets_a_verdict(
    way: str, cause: Cause, status: int | None, number: int | None
) -> None:
    """Cause, status or signal, node and attempt are told; nothing is run again."""
    attempts: list[JobsGranted] = []

    def watch(event: object) -> None:
        if isinstance(event, JobsGranted):
            attempts.append(event)

    with pytest.raises(JobException) as caught:
        grid_map(jobs.die, [way], backend="local", name="doomed", progress=watch)
    verdict = caught.value.verdict
    assert verdict.cause is cause
    assert (verdict.exit_status, verdict.signal) == (status, number)
    assert {event.attempt for event in attempts} == {1}


def test_a_verdict_tells_the_whole_story() -> None:
    """The text names job, cause, signal, node, attempt, what was printed, what to do."""

    def fail(_: object) -> None:
        os.write(2, b"about to go\n")
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(20)

    with pytest.raises(JobException) as caught:
        grid_map(fail, [1], backend="local", name="storyteller")
    text = str(caught.value)
    for part in (
        "storyteller0",
        "signalled",
        "SIGTERM",
        "attempt 1",
        os.uname().nodename,
        "about to go",
        "next step",
    ):
        assert part in text, text


def test_neighbours_of_a_death_are_not_harmed() -> None:
    """Other jobs of that worker, done or to come, have their results."""
    ways = ["not"] * 20
    ways[3], ways[9], ways[10] = "os._exit(3)", "segmentation fault", "sys.exit(4)"
    results = grid_map(
        jobs.die, ways, backend="local", max_workers=1, return_exceptions=True
    )
    causes = {
        n: r.verdict.cause for n, r in enumerate(results) if isinstance(r, JobException)
    }
    assert causes == {3: Cause.EXITED, 9: Cause.SIGNALLED, 10: Cause.EXITED}
    assert all(result == "not" for n, result in enumerate(results) if n not in causes)


@pytest.mark.slow
def test_a_killed_worker_gets_a_verdict(tmp_path: Path) -> None:
    """Kill -9 of a worker in a job: SIGNALLED, from the runner that saw it."""
    function = functools.partial(jobs.meet, str(tmp_path))
    running = BackgroundMap(function, range(4), backend="local", max_workers=2)
    mark = traces.await_marks(tmp_path, "job1")[0]
    os.kill(mark.worker, signal.SIGKILL)
    error = running.wait()
    assert isinstance(error, JobException), error
    assert error.verdict.cause is Cause.SIGNALLED
    assert error.verdict.signal == signal.SIGKILL
    assert Witness.WORKER in {said.witness for said in error.verdict.statements}


@pytest.mark.slow
def test_a_killed_runners_job_is_run_again(tmp_path: Path) -> None:
    """Kill -9 of a runner in a job: the job runs again, and the result is right."""
    function = functools.partial(jobs.meet_once, str(tmp_path))
    running = BackgroundMap(function, range(4), backend="local", max_workers=2)
    mark = traces.await_marks(tmp_path, "job0")[0]
    traces.await_marks(tmp_path, "job1")  # or the second runner would do for the first
    os.kill(mark.runner, signal.SIGKILL)
    traces.await_marks(tmp_path, "job0", 2)
    (tmp_path / "go").touch()
    assert running.wait() == [0, 1, 4, 9]
    failed = running.of(JobFailed)
    assert [(event.job, event.again) for event in failed] == [(0, True)]
    assert failed[0].verdict.attempt == 1
    assert failed[0].verdict.signal in (signal.SIGKILL, None)
    granted = running.of(JobsGranted)
    assert 2 in {event.attempt for event in granted if event.first == 0}
    runners = {event.pid for event in running.of(RunnerUp)}
    assert mark.runner in runners
    assert len(runners) == 3


@pytest.mark.slow
def test_a_job_whose_runner_is_killed_again_and_again_is_given_up(
    tmp_path: Path,
) -> None:
    """After NUM_RESUBMITS further attempts the last verdict is raised."""
    function = functools.partial(jobs.meet, str(tmp_path))
    running = BackgroundMap(
        function, [7], backend="local", settings={"num_resubmits": 1}
    )
    for attempt in (1, 2):
        mark = traces.await_marks(tmp_path, "job7", attempt)[-1]
        os.kill(mark.runner, signal.SIGKILL)
    error = running.wait()
    assert isinstance(error, JobException), error
    assert error.verdict.attempt == 2


@pytest.mark.slow
def test_a_stopped_runner_is_replaced(tmp_path: Path) -> None:
    """A runner that falls silent, though its process is there, is given up and ended."""
    function = functools.partial(jobs.meet_once, str(tmp_path))
    running = BackgroundMap(
        function,
        [5],
        backend="local",
        settings={"heartbeat_interval": 0.1, "silence_limit": 1.0},
    )
    mark = traces.await_marks(tmp_path, "job5")[0]
    os.kill(mark.runner, signal.SIGSTOP)
    assert running.wait() == [25]
    failed = running.of(JobFailed)
    assert failed[0].again
    assert failed[0].verdict.cause in (Cause.LOST, Cause.STALLED, Cause.NODE_LOST)


@pytest.mark.slow
def test_a_busy_job_does_not_silence_its_runner() -> None:
    """A function that holds the interpreter's lock for long is not taken for dead."""

    def hold(seconds: float) -> float:
        import ctypes

        # PyDLL keeps the lock during the call, as a bad extension does.
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
        return seconds

    events: list[object] = []
    results = grid_map(
        hold,
        [4.5],
        backend="local",
        settings={"heartbeat_interval": 0.2, "silence_limit": 2.5},
        progress=events.append,
    )
    assert results == [4.5]
    assert not [event for event in events if isinstance(event, JobFailed)]


def test_the_peak_is_that_of_the_job_and_not_of_one_before() -> None:
    """Both ran in the same worker."""

    def hold_or_die(mib: int) -> int:
        block = bytearray(mib << 20)
        block[::4096] = b"x" * (len(block) // 4096)
        threading.Event().wait(1.5)
        if mib < 100:
            os.kill(os.getpid(), signal.SIGKILL)
        return mib

    results = grid_map(
        hold_or_die,
        [300, 20],
        backend="local",
        max_workers=1,
        mem_free="1G",
        return_exceptions=True,
    )
    assert results[0] == 300
    assert isinstance(results[1], JobException)
    peak = results[1].verdict.peak_memory
    assert peak is not None
    assert 20 << 20 < peak < 150 << 20
    assert "asked for 1 GiB" in str(results[1])
