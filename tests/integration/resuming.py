"""A map that can be resumed, and jobs that leave a mark where they ran."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from gridmap.rundir import RunDirectory


def touch(place: str, number: int) -> int:
    """Leave a mark, and return the square."""
    (Path(place) / f"{number}.{os.getpid()}.{os.urandom(4).hex()}").touch()
    return number * number


def touch_or_fail(place: str, number: int) -> int:
    """Likewise, but fail at multiples of 3 until the place holds ``mended``."""
    touch(place, number)
    if number % 3 == 0 and not (Path(place) / "mended").exists():
        raise LookupError(number)
    return number * number


def fail_or_wait(place: str, number: int) -> None:
    """Fail until the place holds ``mended``, then never end."""
    if not (Path(place) / "mended").exists():
        raise LookupError(number)
    while True:
        signal.pause()


def ran(place: Path) -> list[int]:
    """Return the jobs that ran, each as often as it did, in order."""
    names = (path.name for path in place.iterdir() if path.name != "mended")
    return sorted(int(name.partition(".")[0]) for name in names)


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def journal_of(runs: Path) -> Path:
    (run,) = RunDirectory.all_named(runs)
    return run.journal
