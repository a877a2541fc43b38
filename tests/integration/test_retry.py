"""Users' rules for trying again, on this machine."""

import functools
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests import jobs
from tests.background import BackgroundMap

from gridmap import Escalate, GridExecutor, Job, JobException, Retry, process_jobs
from gridmap.errors import InvalidRequestError
from gridmap.events import JobFailed, JobsDone, RunnersSubmitted
from gridmap.verdict import Cause

GIB = 2**30


def refused(place: Path, times: int) -> Any:
    """Return a function that is refused so often by a server, for each job."""
    return functools.partial(jobs.succeed_late, str(place), times)


def run(function: Any, inputs: Any, **options: Any) -> tuple[Any, list[JobFailed]]:
    """Return what a map came to, and what failed on the way."""
    running = BackgroundMap(function, inputs, backend="local", **options)
    return running.wait(), running.of(JobFailed)


def test_an_exception_that_was_named_is_tried_again(tmp_path: Path) -> None:
    """By a class above its own; each job for itself."""
    results, failed = run(
        refused(tmp_path, 2), range(3), retry=Retry(on=OSError, times=2)
    )
    assert results == [0, 1, 4]
    assert sorted((event.job, event.again) for event in failed) == [
        (job, True) for job in (0, 0, 1, 1, 2, 2)
    ]
    assert failed[0].verdict.raised[:2] == ("ConnectionRefusedError", "ConnectionError")


def test_one_that_was_not_named_ends_the_map(tmp_path: Path) -> None:
    """As without any rule, and with its own type."""
    results, failed = run(refused(tmp_path, 1), [3], retry=Retry(on=ValueError))
    assert isinstance(results, ConnectionRefusedError)
    assert [event.again for event in failed] == [False]


def test_one_that_is_raised_too_often_ends_the_map(tmp_path: Path) -> None:
    """After so many tries; it arrives as it was."""
    results, failed = run(
        refused(tmp_path, 9), [3], retry=Retry(on=ConnectionError, times=2)
    )
    assert isinstance(results, ConnectionRefusedError)
    assert str(results) == "attempt at 3"
    told = str(results.__cause__)
    assert "gridmap_job0, attempt 3, on" in told
    for attempt in (1, 2):
        assert f"before: attempt {attempt} on" in told
    assert "raised ConnectionRefusedError: attempt at 3" in told
    assert [event.again for event in failed] == [True, True, False]
    assert [event.verdict.attempt for event in failed] == [1, 2, 3]


class Own(Exception):  # noqa: N818 - a user's own
    """An exception of the script's."""


def test_a_class_that_only_the_script_knows_can_be_named(tmp_path: Path) -> None:
    """It travels by value and is known by its name."""

    class Inner(Own):
        pass

    def once(_: object) -> str:
        if not (tmp_path / "been").exists():
            (tmp_path / "been").touch()
            raise Inner
        return "well"

    results, _ = run(once, [1], retry=[Escalate(memory="1G"), Retry(on=Own, times=1)])
    assert results == ["well"]


def test_a_pause_is_kept(tmp_path: Path) -> None:
    """The job waits; the others of its map do not."""
    running = BackgroundMap(
        refused(tmp_path, 1),
        [0, 1],
        backend="local",
        max_workers=1,
        retry=Retry(on=OSError, times=1, delay=1.5),
    )
    begun = time.monotonic()
    assert running.wait() == [0, 1]
    assert time.monotonic() - begun > 1.1
    (first, _) = running.of(JobFailed)
    assert 0.75 * 1.5 < first.delay_s <= 1.5


def test_giving_up_at_once() -> None:
    """No second try, even for what is nobody's fault."""

    def end_runner(_: object) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait(20)

    running = BackgroundMap(end_runner, [1], backend="local", retry=Retry(times=0))
    error = running.wait()
    assert isinstance(error, JobException)
    assert error.verdict.cause in {Cause.LOST, Cause.SIGNALLED}
    assert [event.again for event in running.of(JobFailed)] == [False]


def test_more_memory_than_before() -> None:
    """Each death by its limit gets the next step; who needs no more keeps what he has."""
    running = BackgroundMap(
        functools.partial(jobs.hold, touched=False),
        [8, 1400, 16],
        backend="local",
        h_vmem="512M",
        retry=Escalate(memory=["768M", "4G"]),
    )
    assert running.wait() == [8, 1400, 16]
    failed = running.of(JobFailed)
    assert [event.job for event in failed] == [1, 1]
    given = [event.resources.memory_limit for event in failed if event.resources]
    assert given == [768 * 2**20, 4 * GIB]
    assert [event.verdict.raised[0] for event in failed] == ["MemoryError"] * 2


def test_after_the_last_step_the_exception_stands() -> None:
    """As it was raised."""
    results, failed = run(
        functools.partial(jobs.hold, touched=False),
        [4000],
        h_vmem="512M",
        retry=Escalate(memory=["768M"]),
    )
    assert isinstance(results, MemoryError)
    assert [event.again for event in failed] == [True, False]
    told = str(results.__cause__)
    assert "next step: asked for 768 MiB" in told
    assert 'Escalate(memory=["2G", "4G"])' in told


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_more_time_than_before() -> None:
    """A runner's time is over in mid-job: the next has more."""
    running = BackgroundMap(
        jobs.last,
        [0.1, 6.0],
        backend="local",
        max_workers=2,
        h_rt=3,
        retry=Escalate(walltime=["0:30"]),
    )
    assert running.wait(50) == [0.1, 6.0]
    (failed,) = running.of(JobFailed)
    assert failed.verdict.cause is Cause.TIME_LIMIT
    assert failed.resources is not None
    assert failed.resources.walltime == 30


def test_a_job_with_more_finds_room_where_all_is_taken() -> None:
    """With one runner allowed, the next step waits for the others, not for ever."""
    running = BackgroundMap(
        functools.partial(jobs.hold, touched=False),
        [1400, *range(1, 6)],
        backend="local",
        max_workers=1,
        h_vmem="512M",
        retry=Escalate(memory=["4G"]),
    )
    assert running.wait() == [1400, 1, 2, 3, 4, 5]
    assert len(running.of(RunnersSubmitted)) == 2
    assert sum(event.stop - event.first for event in running.of(JobsDone)) == 6


def test_rules_hold_for_executors_and_lists_of_jobs(tmp_path: Path) -> None:
    """Wherever jobs are handed in."""
    rule = Retry(on=ConnectionError, times=1)
    with GridExecutor(backend="local", retry=rule) as executor:
        assert executor.submit(refused(tmp_path, 1), 3).result(20) == 9
    listed = [Job(refused(tmp_path, 1), [4]), Job(refused(tmp_path, 1), [5])]
    assert process_jobs(listed, backend="local", retry=rule) == [16, 25]


def test_what_is_no_rule_is_refused_before_anything_starts() -> None:
    """Nothing is submitted."""
    results, _ = run(jobs.square, [1], retry="again")
    assert isinstance(results, InvalidRequestError)
