"""The commands for runs that can be resumed: what they list, go on with and remove."""

from __future__ import annotations

import functools
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.integration.resuming import (
    fail_or_wait,
    journal_of,
    of,
    ran,
    touch,
    touch_or_fail,
)

from gridmap.attach import drive
from gridmap.cli.parameters import runs_directory
from gridmap.cli.program import main
from gridmap.events import JobsGranted, RunEnded, RunnersSubmitted
from gridmap.journal.lock import RunLock
from gridmap.rundir import RunDirectory

pytestmark = pytest.mark.usefixtures("named")


def test_the_command_lists_tells_and_removes(
    again: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gridmap attach` and `gridmap forget`, for a map that is over."""
    mapped, _ = again
    mapped(functools.partial(touch, str(place)), range(7))
    assert main(["attach"]) == 0
    listed = capsys.readouterr().out
    assert "7 of 7" in listed
    assert "finished" in listed
    assert main(["attach", "sweep"]) == 0
    assert "7 of 7 jobs are done" in capsys.readouterr().out
    (run,) = RunDirectory.all_named(runs_directory(None))
    assert main(["attach", "swep"]) == 1
    assert "Did you mean 'sweep'?" in capsys.readouterr().err
    with RunLock.take(run):
        assert main(["forget", "sweep"]) == 1  # and asks nothing
    assert "being driven" in capsys.readouterr().err
    assert main(["forget", "sweep", "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"name": "sweep", "results": 7, "ended_runners": 0}
    assert main(["attach", "sweep"]) == 1
    assert "nor any other" in capsys.readouterr().err
    mapped(functools.partial(touch, str(place)), range(3))  # the name is free again


def test_the_command_tells_of_a_damaged_journal_and_removes_it(
    again: Any, place: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is neither passed over in silence nor in the way of its own removal."""
    mapped, _ = again
    mapped(functools.partial(touch, str(place)), range(2))
    journal_of(runs).write_bytes(b"nonsense" * 1000)
    assert main(["attach"]) == 0
    assert "run 'sweep' is left out" in capsys.readouterr().err
    assert main(["attach", "sweep"]) == 1
    assert "its script, started again" in capsys.readouterr().err
    assert main(["forget", "sweep", "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"name": "sweep", "results": None, "ended_runners": 0}
    assert RunDirectory.all_named(runs) == []


def test_the_command_goes_on_without_the_script(
    again: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a failed map left undone, `gridmap attach` does; the script fetches it."""
    mapped, events = again
    function = functools.partial(touch_or_fail, str(place))
    with pytest.raises(LookupError):
        mapped(function, range(9))
    (place / "mended").touch()
    assert main(["attach", "sweep"]) == 0
    assert "9 of 9 jobs are done" in capsys.readouterr().out
    before = ran(place)
    events.clear()
    assert mapped(function, range(9)) == [n * n for n in range(9)]
    assert ran(place) == before
    assert of(events, RunnersSubmitted) == []


def test_the_command_tells_why_it_stopped(
    again: Any, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that fails again stops it, as it stops the script."""
    mapped, _ = again
    function = functools.partial(touch_or_fail, str(place))
    with pytest.raises(LookupError):
        mapped(function, [3])
    assert main(["attach", "sweep"]) == 1
    told = capsys.readouterr()
    assert "0 of 1 jobs are done, 1 failed" in told.out
    assert (
        "Nobody drives it any more: gridmap attach 'sweep' goes on with it" in told.out
    )
    assert "LookupError: 3" in told.err


def test_what_was_interrupted_is_not_told_as_done(
    again: Any, place: Path, runs: Path
) -> None:
    """Ctrl-C of `gridmap attach` is what the run ended with, for all who watch it."""
    mapped, _ = again
    with pytest.raises(LookupError):
        mapped(functools.partial(fail_or_wait, str(place)), [3])
    (place / "mended").touch()
    heard: list[Any] = []
    here = threading.get_ident()

    def watch(event: object) -> None:
        heard.append(event)
        if isinstance(event, JobsGranted):
            signal.pthread_kill(here, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        drive(runs, "sweep", [("watch", watch)])
    (ended,) = of(heard, RunEnded)
    assert ended.error == "KeyboardInterrupt"
