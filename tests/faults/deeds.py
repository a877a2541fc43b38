"""What the jobs of a struck map do. Workers import this: standard library only.

Each job marks that it begins, does its deed, marks that it is done as the last thing
before it returns, and returns its square. So the files in the test's directory tell
how often each job began and how often it ran to its end.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from tests import jobs

Deed = Callable[[str, int], object]


def perform(place: str, deeds: dict[int, Deed], number: int) -> object:
    """Do this job's deed, `short` if it has none; return what it does, or the square."""
    jobs.mark(place, f"job{number}")
    value = deeds.get(number, short)(place, number)
    jobs.mark(place, f"done{number}")
    return number * number if value is None else value


def strike(place: str, number: int) -> None:
    """Mark the moment at which job *number* meets its fault."""
    jobs.mark(place, f"struck{number}")


def short(_place: str, _number: int) -> None:
    """Take a twentieth of a second."""
    threading.Event().wait(0.05)


def held(place: str, _number: int) -> None:
    """Wait until the test lets all go."""
    jobs.await_file(Path(place, "go"))


def held_once(place: str, number: int) -> None:
    """Wait likewise, but only at the first attempt."""
    if len(list(Path(place).glob(f"job{number}.*"))) == 1:
        held(place, number)


def dying(way: str) -> Deed:
    """Return the deed of a job that ends its process; see `tests.jobs.die`."""
    return _Dying(way)


class _Dying:
    def __init__(self, way: str) -> None:
        self._way = way

    def __call__(self, place: str, number: int) -> None:
        strike(place, number)
        jobs.die(self._way)
