"""Deeds whose results cannot travel, or cannot be taken in."""

import os
import threading
from typing import Any

from tests import jobs
from tests.faults.deeds import strike


class Homesick:
    """What can be unpickled in the process that made it only."""

    def __reduce__(self) -> tuple[Any, ...]:
        return only_in, (os.getpid(),)


def only_in(pid: int) -> Homesick:
    if os.getpid() != pid:
        msg = f"this belongs to process {pid}"
        raise RuntimeError(msg)
    return Homesick()


class Evil(Exception):  # noqa: N818 - a user's own
    """An exception whose pickling itself fails, with what is no Exception."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise KeyboardInterrupt


def too_large(place: str, number: int) -> bytes:
    strike(place, number)
    return os.urandom(3 << 20)


def a_lock(place: str, number: int) -> Any:
    strike(place, number)
    return {"fine": 1, "lock": threading.Lock()}


def homesick(place: str, number: int) -> Homesick:
    strike(place, number)
    return Homesick()


def stubborn(place: str, number: int) -> None:
    strike(place, number)
    jobs.be_stubborn(number)


def evil(place: str, number: int) -> None:
    strike(place, number)
    raise Evil


def local_class(place: str, number: int) -> None:
    """Raise an exception of a class that exists in this call only."""
    strike(place, number)

    class Passing(Exception):  # noqa: N818 - a user's own
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"made of {one} and {two}")

    raise Passing(1, 2)


def deep(place: str, number: int) -> Any:
    """Return what is nested too deeply to be pickled."""
    strike(place, number)
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    return value
