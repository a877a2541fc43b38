"""A run is watched and ended from another process, and read when it is over."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmap import JobException, grid_map
from gridmap.control.client import Control
from gridmap.control.register import Entry, Register, find
from gridmap.errors import RunKilledError
from gridmap.events import Event, JobsDone, RunEnded, RunnerUp
from gridmap.lifecycle import JobState
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Script:
    """A map in a thread, whose jobs wait until a file is there.

    Attributes:
        events: What its observer was told.
    """

    def __init__(self, tmp_path: Path, *, forgiving: bool = False) -> None:
        self.go = tmp_path / "go"
        self.records = Register(tmp_path / "records")
        self._settings = {
            "record_directory": str(tmp_path / "records"),
            "run_directory": str(tmp_path / "runs"),
        }
        self._forgiving = forgiving
        self._up = threading.Event()
        self.answer: list[object] | BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        gate = str(self.go)

        def wait(number: int) -> int:
            import os
            import time

            while number and not os.path.exists(gate):  # noqa: PTH110
                time.sleep(0.01)
            return number

        try:
            self.answer = grid_map(
                wait,
                range(4),
                name="watched",
                backend="local",
                max_workers=2,
                settings=self._settings,
                return_exceptions=self._forgiving,
                progress=self._see,
            )
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.answer = error

    def _see(self, event: Event) -> None:
        if isinstance(event, RunnerUp):
            self._up.set()

    def entry(self) -> Entry:
        """Return the run's record."""
        found = find(self.records.entries(), "watched")
        assert found is not None
        return found

    def __enter__(self) -> "Script":
        self._thread.start()
        assert self._up.wait(60.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.go.touch()
        self.join()

    def join(self) -> None:
        self._thread.join(60.0)
        assert not self._thread.is_alive()


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    with Script(tmp_path) as running:
        yield running


def test_a_run_is_watched_to_its_end(script: Script) -> None:
    """What was done comes as events, and the record says how it ended."""
    entry = script.entry()
    assert (entry.over, entry.record.driver.pid) == (False, os.getpid())
    with Control(entry.record.token) as control:
        following = control.follow()
        script.go.touch()
        last = [event for event in following if isinstance(event, JobsDone | RunEnded)]
    script.join()
    assert isinstance(last[-1], RunEnded)
    assert script.answer == [0, 1, 2, 3]
    after = script.entry()
    assert after.over
    assert after.record.overview().count(JobState.DONE) == 4


def test_a_killed_run_raises_with_what_was_done(script: Script) -> None:
    """Its runners are gone when the exception comes."""
    token = script.entry().record.token
    with Control(token) as control:
        while not control.look().overview().count(JobState.DONE):
            pass
        pids = [runner.pid for runner in control.look().overview().up]
        control.kill_run()
    script.join()
    assert isinstance(script.answer, RunKilledError)
    assert script.answer.gridmap_results == {0: 0}  # type: ignore[attr-defined]
    assert pids
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
    assert "gridmap kill" in str(script.entry().record.error)


def test_killed_jobs_fail_for_themselves(tmp_path: Path) -> None:
    """Those that wait and those that run; the others go on, and none is run again."""
    with Script(tmp_path, forgiving=True) as script:
        with Control(script.entry().record.token) as control:
            control.kill_jobs([(1, 2), (3, 4)])
            while control.look().overview().count(JobState.FAILED) < 2:
                pass
        script.go.touch()
        script.join()
    answer = script.answer
    assert isinstance(answer, list)
    assert [answer[0], answer[2]] == [0, 2]
    for error in (answer[1], answer[3]):
        assert isinstance(error, JobException)
        assert error.verdict.cause is Cause.CANCELLED
