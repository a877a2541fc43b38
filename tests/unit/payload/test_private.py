"""Memory of this process alone that is used again, and never under somebody's eyes."""

import ctypes
import os
import pickle
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from gridmap.payload import refill

SIZE = 1 << 20


@pytest.fixture(autouse=True)
def keeping() -> Iterator[None]:
    """Memory is kept meanwhile, and none of it afterwards."""
    refill.begin(SIZE)
    yield
    refill.end(SIZE)
    assert not refill.kept()


def place(view: memoryview) -> int:
    """Return which memory it is."""
    return int(np.frombuffer(view, np.uint8).ctypes.data)


def test_what_nobody_has_is_used_again() -> None:
    """The same pages, for another of the same size only."""
    first = place(refill.private(SIZE))
    assert place(refill.private(SIZE)) == first
    assert place(refill.private(2 * SIZE)) != first
    assert place(refill.private(SIZE)) == first


def test_what_somebody_has_is_left_alone() -> None:
    """Be it an array, a part of one, or a view of a part."""
    view = refill.private(SIZE)
    first = place(view)
    part: object = view[5:6]
    del view
    assert place(refill.private(SIZE)) != first
    part = np.frombuffer(part, np.uint8)[::2]  # type: ignore[call-overload]
    assert place(refill.private(SIZE)) != first
    del part
    places = {place(one) for one in [refill.private(SIZE) for _ in range(3)]}
    assert first in places
    assert len(places) == 3


@pytest.mark.parametrize(
    "having",
    [
        lambda view: np.ndarray((SIZE,), np.uint8, buffer=view),
        lambda view: np.recarray((SIZE,), [("a", np.uint8)], buf=view),
        lambda view: view.obj,
        lambda view: view.cast("I")[::2],
        ctypes.c_char.from_buffer,
        pickle.PickleBuffer,
    ],
    ids=["ndarray", "recarray", "owner", "cast", "ctypes", "pickle"],
)
def test_whoever_has_it_has_it(having: Callable[[memoryview], object]) -> None:
    """Some hold no view of it, but what the view was of."""
    view = refill.private(SIZE)
    first = place(view)
    had: object = having(view)
    del view
    assert place(refill.private(SIZE)) != first
    del had
    assert first in {place(one) for one in [refill.private(SIZE) for _ in range(3)]}


def test_of_limited_addresses_none_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the user's: his arrays would find no place, though there is memory."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 40, 1 << 40))
    refill.private(SIZE)
    assert not refill.kept()


def test_what_is_kept_is_given_back_where_there_is_no_more() -> None:
    """Before a large result is refused, what nobody uses goes."""
    refill.private(SIZE)
    with pytest.raises(OSError, match="memory"):
        refill.private(1 << 60)
    assert not refill.kept()


def test_it_outlives_the_run_for_who_has_it() -> None:
    """What is given back is only what nobody has."""
    view = refill.private(SIZE)
    view[:4] = b"mine"
    refill.give_back()
    assert place(refill.private(SIZE)) != place(view)
    assert bytes(view[:4]) == b"mine"


def test_threads_never_have_the_same() -> None:
    """Of many that ask at once, each finds in it what it wrote."""
    together = Barrier(8, timeout=20)

    def use(number: int) -> bool:
        view = refill.private(SIZE)
        mark = number.to_bytes(8, "big")
        view[-8:] = mark
        together.wait()
        return bytes(view[-8:]) == mark

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(400)))


def test_a_forked_child_uses_none_of_its_parents() -> None:
    """Pages that both have would be copied one by one."""
    refill.private(SIZE)
    child = os.fork()
    if child == 0:
        os._exit(refill.kept())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
