"""Results that cannot travel, or cannot be taken in: told of that job, and of no other."""

import os
import threading
from typing import Any

import pytest
from tests import jobs
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.sites import Site

from gridmap.errors import JobException, RemoteError, UnpicklableError
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


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
    deeds.strike(place, number)
    return os.urandom(3 << 20)


def a_lock(place: str, number: int) -> Any:
    deeds.strike(place, number)
    return {"fine": 1, "lock": threading.Lock()}


def homesick(place: str, number: int) -> Homesick:
    deeds.strike(place, number)
    return Homesick()


def stubborn(place: str, number: int) -> None:
    deeds.strike(place, number)
    jobs.be_stubborn(number)


def evil(place: str, number: int) -> None:
    deeds.strike(place, number)
    raise Evil


def local_class(place: str, number: int) -> None:
    """Raise an exception of a class that exists in this call only."""
    deeds.strike(place, number)

    class Passing(Exception):  # noqa: N818 - a user's own
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"made of {one} and {two}")

    raise Passing(1, 2)


def deep(place: str, number: int) -> Any:
    """Return what is nested too deeply to be pickled."""
    deeds.strike(place, number)
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    return value


def test_results_that_cannot_be_had(site: Site, strike: Strike) -> None:
    """Too large, unpicklable here or there: each is told for what it is."""
    struck = strike(
        site,
        40,
        {
            2: too_large,
            4: a_lock,
            6: homesick,
            8: stubborn,
            10: evil,
            12: local_class,
            14: deep,
        },
        settings={"max_message_bytes": "2M"},
    )
    results = struck.check(failed=range(2, 15, 2), spoilt={6})
    assert isinstance(results[2], UnpicklableError)
    assert "max_message_bytes" in str(results[2])
    assert "write the result to a file" in str(results[2])
    assert isinstance(results[4], UnpicklableError)
    assert "lock" in str(results[4])
    assert isinstance(results[6], JobException)
    assert results[6].verdict.cause is Cause.UNPICKLABLE
    assert "this belongs to process" in str(results[6])
    assert isinstance(results[8], RemoteError)
    assert "salt and pepper" in str(results[8])
    assert isinstance(results[10], RemoteError)
    assert "Evil" in str(results[10])
    assert results[12].__class__.__name__ == "Passing"
    assert isinstance(results[14], UnpicklableError)
    struck.note("a result larger than max_message_bytes", 2)
    struck.note("a result that cannot be pickled", 4)
    struck.note("an exception that cannot be unpickled", 8)
