"""Jobs that hold up the others are begun a second time, on this machine."""

import collections
import functools
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap

from gridmap import GridExecutor, Job, grid_map, process_jobs
from gridmap.errors import InvalidRequestError
from gridmap.events import (
    JobFailed,
    JobsDone,
    JobsGranted,
    JobSpeculated,
    SpeculationEnded,
)
from gridmap.journal.log import JournalLog
from gridmap.testing import eventually

COUNT = 8
SQUARES = [number * number for number in range(COUNT)]
OFTEN = {"heartbeat_interval": 0.5}


def done(running: BackgroundMap) -> list[int]:
    """Return which jobs were said to be done, once for each time."""
    found = [j for e in running.of(JobsDone) for j in range(e.first, e.stop)]
    return sorted(found)


@pytest.mark.parametrize("slow", [0, COUNT - 1], ids=["the first", "the last"])
def test_a_map_does_not_wait_for_a_job_that_hangs(slow: int, tmp_path: Path) -> None:
    """Nobody ever lets its first attempt go on; the second returns, and counts once."""
    function = functools.partial(jobs.meet_one, str(tmp_path), slow, once=True)
    running = BackgroundMap(
        function, range(COUNT), backend="local", max_workers=2,
        speculate=True, settings=OFTEN,
    )  # fmt: skip
    assert running.wait(60.0) == SQUARES
    assert done(running) == list(range(COUNT))
    (begun,), (ended,) = running.of(JobSpeculated), running.of(SpeculationEnded)
    assert (begun.job, begun.attempt) == (slow, 2)
    assert (ended.job, ended.attempt, ended.outcome) == (slow, 2, "won")
    assert not running.of(JobFailed)
    first, second = traces.marks(tmp_path, f"job{slow}")
    assert first.runner != second.runner


def both_wait(place: Path) -> BackgroundMap:
    """Begin a map whose first job waits in both its attempts, and may not be retried."""
    function = functools.partial(jobs.meet_one, str(place), 0)
    return BackgroundMap(
        function, range(COUNT), backend="local", max_workers=2, speculate=True,
        settings={**OFTEN, "num_resubmits": 0},
    )  # fmt: skip


def strike(process: int, running: BackgroundMap, place: Path) -> None:
    """Kill a process of one attempt; let the other one go on, to the map's end."""
    os.kill(process, signal.SIGKILL)
    eventually(lambda: running.of(SpeculationEnded), within_s=20, what="its end")
    (place / "go").touch()
    assert running.wait(60.0) == SQUARES


def test_the_second_goes_on_where_the_firsts_runner_is_killed(tmp_path: Path) -> None:
    """The job fails once and is not begun a third time."""
    running = both_wait(tmp_path)
    first, _ = traces.await_marks(tmp_path, "job0", 2)
    strike(first.runner, running, tmp_path)
    (failed,), (ended,) = running.of(JobFailed), running.of(SpeculationEnded)
    assert (failed.job, failed.again, failed.verdict.attempt) == (0, True, 1)
    assert (ended.outcome, ended.attempt) == ("took over", 2)
    assert [e.attempt for e in running.of(JobsGranted) if e.first == 0] == [1, 2]
    assert len(traces.marks(tmp_path, "job0")) == 2


def test_the_first_goes_on_where_the_second_is_killed(tmp_path: Path) -> None:
    """That is no failure of the job's."""
    running = both_wait(tmp_path)
    _, second = traces.await_marks(tmp_path, "job0", 2)
    strike(second.worker, running, tmp_path)
    (ended,) = running.of(SpeculationEnded)
    assert (ended.outcome, ended.attempt) == ("failed", 2)
    assert "SIGKILL" in ended.text
    assert not running.of(JobFailed)
    assert done(running) == list(range(COUNT))


def test_an_executor_speculates_too(tmp_path: Path) -> None:
    """Though more calls may come at any time."""
    with GridExecutor(2, backend="local", speculate=True, settings=OFTEN) as executor:
        function = functools.partial(jobs.meet_one, str(tmp_path), 0, once=True)
        futures = [executor.submit(function, number) for number in range(COUNT)]
        assert [future.result(60.0) for future in futures] == SQUARES
        assert executor.submit(abs, -1).result(60.0) == 1


def test_it_has_to_be_yes_or_no() -> None:
    """And is refused by name before anything is started."""
    with pytest.raises(InvalidRequestError, match="speculate"):
        grid_map(abs, [1], backend="local", speculate=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="speculate"):
        process_jobs([Job(abs, [1])], backend="local", speculate="may")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_work_that_waits_for_a_slow_disk_may_be_needless_when_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, runs: Path
) -> None:
    """The first attempt returns while the second is being written down."""
    committed = vars(JournalLog)["committed"].fget
    seen = collections.deque[tuple[float, int]]()
    known = 0

    def late(log: JournalLog) -> int:
        nonlocal known
        now = time.monotonic()
        seen.append((now, committed(log)))
        while seen and seen[0][0] <= now - 1.0:
            known = seen.popleft()[1]
        return known

    monkeypatch.setattr(JournalLog, "committed", property(late))
    lengths = [*[0.05] * 8, 2.7]
    slept = grid_map(
        jobs.last, lengths, backend="local", max_workers=2, speculate=True,
        resume="a-slow-disk",
    )  # fmt: skip
    assert slept == lengths
    shutil.rmtree(runs / "named")
