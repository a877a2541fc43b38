"""What jobs say and print while they run reaches those who watch."""

import os
import subprocess
import sys
import time
from pathlib import Path

import gridmap
from gridmap import JobMonitor, grid_map
from gridmap.events import AnyEvent, JobOutput, JobProgress, JobsDone
from gridmap.testing import eventually


def talk(number: int) -> int:
    """Print in all the ways that there are."""
    sys.stdout.write(f"out {number}\n")
    sys.stderr.write(f"err {number}\n")
    subprocess.run(["echo", f"child {number}"], check=True)
    os.write(1, f"raw {number}\n".encode())
    sys.stdout.write(f"no end {number}")
    return number


def wait_for(path: str) -> None:
    """Say and print something, then wait until a file is there."""
    sys.stdout.write("I wait\n")
    gridmap.progress(1, 4, "waiting")
    while not Path(path).exists():
        time.sleep(0.01)  # the job's own time, not the test's


def run_watched(calls: int, *, output: bool) -> dict[int | None, str]:
    """Return what each job printed, as far as it was told."""
    seen: list[AnyEvent] = []
    monitor = JobMonitor(
        backend="local", max_workers=2, observers=[("test", seen.append)]
    )
    monitor.watch(output=output)
    with monitor:
        monitor.add(talk, [((number,), None) for number in range(calls)], final=True)
        left = calls
        while left:
            left -= len(list(monitor.outcomes.take()))
    told: dict[int | None, str] = {}
    for event in seen:
        if isinstance(event, JobOutput):
            assert not event.lost
            told[event.job] = told.get(event.job, "") + event.text
    return told


def test_each_line_is_told_of_the_job_that_printed_it() -> None:
    """Quick jobs' too, children's too, and what has no end of line."""
    told = run_watched(30, output=True)
    assert told == {
        n: f"out {n}\nerr {n}\nchild {n}\nraw {n}\nno end {n}" for n in range(30)
    }


def test_nothing_is_told_where_nobody_asked() -> None:
    """Watching progress is not watching output."""
    assert run_watched(3, output=False) == {}


def test_a_watcher_hears_of_a_job_that_runs(tmp_path: Path) -> None:
    """Long before its heartbeat, and one who comes late hears of it too."""
    seen: list[AnyEvent] = []
    go = tmp_path / "go"

    def heard(kind: type[AnyEvent]) -> bool:
        return any(isinstance(event, kind) for event in seen)

    monitor = JobMonitor(
        backend="local",
        observers=[("test", seen.append)],
        settings={"heartbeat_interval": 1000.0, "silence_limit": 10000.0},
    )
    with monitor:
        monitor.add(wait_for, [((str(go),), None)], final=True)
        monitor.watch()
        eventually(lambda: heard(JobProgress), within_s=10, what="its progress")
        assert not heard(JobOutput)
        assert not heard(JobsDone)
        go.touch()
        assert next(iter(monitor.outcomes.take())).error is None
    (told,) = [event for event in seen if isinstance(event, JobProgress)]
    assert (told.job, told.done, told.total, told.text) == (0, 1, 4, "waiting")


def test_heartbeats_tell_of_progress_where_nobody_watches(tmp_path: Path) -> None:
    """So a record of the run has it."""
    seen: list[AnyEvent] = []
    go = tmp_path / "go"

    def take(event: AnyEvent) -> None:
        seen.append(event)
        if isinstance(event, JobProgress):
            go.touch()

    grid_map(
        wait_for,
        [str(go)],
        backend="local",
        progress=take,
        settings={"heartbeat_interval": 0.1},
    )
    assert any(isinstance(event, JobProgress) for event in seen)
