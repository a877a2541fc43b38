"""Which functions a driver keeps, and which it forgets."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from gridmap import payload
from gridmap.errors import UnpicklableError
from gridmap.monitor import functions as limits
from gridmap.monitor.functions import Functions
from gridmap.monitor.store import Store, encode_call

MIB = 1 << 20


def holding(number: int, size: int = MIB) -> Callable[..., int]:
    """Return a function of its own that holds so many bytes."""
    return partial(len, bytes([number % 256]) * size + str(number).encode())


def make(largest: int = 1 << 40) -> Functions:
    def check(parcel: payload.Parcel, what: str) -> None:
        if parcel.nbytes > largest:
            raise UnpicklableError(what, "", "it is too large", "")

    return Functions("none", check)


def called(functions: Functions, function: Callable[..., int]) -> bytes:
    """Have one job call a function, to its end."""
    digest = functions.add(function)
    functions.need(digest, -1)
    return digest


def test_what_was_called_last_is_there_for_the_next_job() -> None:
    """Who submits jobs one by one sends a function once, however large it is."""
    functions, large = make(), holding(1, limits.IDLE_BYTES + 1)
    digest = called(functions, large)
    assert functions.forget_idle() == []
    assert called(functions, large) == digest
    assert digest in functions


def test_functions_nobody_needs_are_bounded_by_their_bytes() -> None:
    """The one that was needed last longest ago goes first."""
    functions = make()
    most = limits.IDLE_BYTES // MIB - 1  # each is a little more than a MiB
    digests = [called(functions, holding(number)) for number in range(most)]
    assert functions.forget_idle() == []
    called(functions, holding(0))  # and so it is needed again
    called(functions, holding(most))
    assert functions.forget_idle() == [digests[1]]
    assert digests[0] in functions
    assert digests[1] not in functions


def test_functions_nobody_needs_are_bounded_in_number() -> None:
    functions = make()
    digests = [
        called(functions, holding(number, 1)) for number in range(limits.MOST_IDLE + 3)
    ]
    assert functions.forget_idle() == digests[:3]


def test_what_a_job_calls_is_kept_until_its_end() -> None:
    """However large it is, and whatever comes after it."""
    functions = make()
    needed = functions.add(holding(0, limits.IDLE_BYTES + 1))
    functions.need(needed, 1)
    functions.need(needed, -1)
    for number in range(1, 5):
        called(functions, holding(number, limits.IDLE_BYTES // 2))
    assert needed not in functions.forget_idle()
    functions.need(needed, -1)
    called(functions, holding(9))
    assert needed in functions.forget_idle()


def test_what_was_forgotten_can_be_called_again() -> None:
    """By the very same object: it is pickled and sent anew."""
    functions = make()
    first = holding(1, limits.IDLE_BYTES)
    digest = called(functions, first)
    called(functions, holding(2))
    assert functions.forget_idle() == [digest]
    again = called(functions, first)
    assert functions.plain(again)


def test_equal_functions_are_one() -> None:
    """A script that makes its function in a loop keeps one of them."""
    functions = make()
    digests = {called(functions, holding(1)) for _ in range(20)}
    assert len(digests) == 1
    assert len(functions._objects) == 1


def test_a_function_is_what_it_was_when_it_was_added() -> None:
    """An array that it holds may be changed, and be in the next one."""
    functions, array = make(), np.zeros(100_000)
    before = functions.add(partial(np.dot, array))
    array[777] = 1.0
    after = functions.add(partial(np.dot, array))
    assert before != after
    array[:] = 2.0
    assert functions.plain(before) != functions.plain(after)
    assert array.tobytes() not in b"".join(map(bytes, functions.plain(after)))


def test_what_cannot_be_sent_leaves_nothing() -> None:
    functions = make(largest=10)
    with pytest.raises(UnpicklableError, match="too large"):
        functions.add(holding(1))
    assert not functions._functions


def test_the_end_of_the_run_may_come_first() -> None:
    """A thread that hands in jobs is told so elsewhere."""
    functions = make()
    digest = functions.add(holding(1))
    functions.clear()
    functions.need(digest, -1)
    assert functions.forget_idle() == []


class Last:
    """A function of which nobody else has hold; it tells what it finds when it goes."""

    def __init__(
        self, told: list[bool], locked: Callable[[], bool], held: bytes
    ) -> None:
        self._told, self._locked, self._held = told, locked, held

    def __call__(self) -> int:
        return 0

    def __reduce__(self) -> Any:
        return bytes, (self._held,)

    def __del__(self) -> None:
        self._told.append(self._locked())


def test_what_goes_may_call_back() -> None:
    """An object of the user's that hands in a job when it goes finds no lock held."""
    functions, told = make(), list[bool]()

    def last(held: bytes) -> Callable[..., int]:
        return Last(told, functions._lock.locked, held)

    large = bytes(limits.IDLE_BYTES)
    called(functions, last(b"equal"))
    called(functions, last(b"equal"))
    assert told == [False]
    called(functions, last(large))
    called(functions, last(b"another"))
    assert len(functions.forget_idle()) == 2
    assert told == [False] * 3
    functions.clear()
    assert told == [False] * 4


def test_inputs_that_go_may_call_back() -> None:
    """Likewise an array that only its job had."""
    store, told = Store("none", 1 << 40), list[bool]()
    array = np.zeros(200_000)
    weakref.finalize(array, lambda: told.append(store._lock.locked()))
    add(store, range(1), holding(1))
    store.add_inputs(0, [encode_call((array,), None, 0)])
    del array
    assert told == []
    store.drop(0, 1)
    assert told == [False]


# What calls them ----------------------------------------------------------------------


def add(store: Store, jobs: range, function: Callable[..., int]) -> bytes:
    """Hand in jobs, as a monitor does."""
    digest = store.functions.add(function)
    store.add_inputs(jobs.start, [b"input"] * len(jobs))
    store.called(jobs, digest, 0)
    return digest


def test_a_function_is_needed_until_its_last_job_is_dropped() -> None:
    """In whatever pieces they are, across those that call something else."""
    store = Store("none", 1 << 40)
    large = limits.IDLE_BYTES + 1
    first = add(store, range(3), holding(1, large))
    second = add(store, range(3, 6), holding(2, large))
    assert add(store, range(6, 9), holding(1, large)) == first
    store.drop(2, 5)
    store.drop(6, 9)
    store.drop(2, 5)  # of which it has heard
    assert store.functions.forget_idle() == []
    store.drop(0, 2)
    assert store.functions.forget_idle() == []  # the one that was needed last
    store.drop(5, 6)
    assert store.functions.forget_idle() == [first]
    assert second in store.functions


def test_a_long_run_remembers_no_call_that_is_over() -> None:
    """Not even where each job calls another function, and one never ends."""
    store = Store("none", 1 << 40)
    for job in range(5000):
        add(store, range(job, job + 1), holding(job % 3, 1))
        if job:
            store.drop(job, job + 1)
    assert len(store._calls) < 2000
    store.drop(0, 1)
