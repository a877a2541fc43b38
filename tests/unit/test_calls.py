"""What calls have of arrays that change after they were read or handed in."""

import collections
import itertools
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import payload
from gridmap.calls import arguments, encode_all, encode_still, is_still
from gridmap.errors import UnpicklableError
from gridmap.monitor.store import encode_apart, encode_call


class Own:
    """A sequence of the user's, which may do anything when it is read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> int:
        return [0][number]


class OwnList(list[int]):
    """A list that is read as any other."""


class Counting(list[int]):
    """A list that does something when it is read."""

    def __iter__(self) -> Iterator[int]:
        return iter(())


class OwnDict(dict[int, int]):
    """A mapping that does something when it is read."""

    def __iter__(self) -> Iterator[int]:
        return iter(())


class Matrix(np.ndarray[Any, Any]):
    """An array each of whose rows does something when it is made."""

    def __array_finalize__(self, obj: object) -> None:
        del obj


OWN, OWN_DICT = Own(), OwnDict({1: 2})


@pytest.mark.parametrize(
    ("iterable", "still"),
    [
        ([1], True),
        ((1,), True),
        (range(3), True),
        ({1: 2}, True),
        ({1: 2}.values(), True),
        (OWN_DICT.items(), True),
        (collections.deque([1]), True),
        (np.zeros(3), True),
        (OwnList(), True),
        (itertools.repeat(1), True),
        ((n for n in [1]), False),
        (map(abs, [1]), False),
        (zip([1], [2], strict=True), False),
        (Own(), False),
        (Counting(), False),
        (weakref.proxy(OWN), False),
        (types.MappingProxyType(OWN_DICT), False),
        (Matrix((3, 3)), False),
        (5, False),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_what_runs_code_of_the_users_is_not_still(iterable: Any, still: bool) -> None:
    """Only what is still may be read as if nothing had changed between items."""
    assert is_still(iterable) is still


@pytest.mark.parametrize("still", [True, False])
@pytest.mark.parametrize("length", [20_000, 200_000])
def test_calls_have_what_their_arguments_were(length: int, still: bool) -> None:
    """Whatever becomes of the arrays, be they large or very large."""
    array, other = np.full(length, 1.0), np.full(length, 2.0)
    calls = encode_all([(array, 0), (other, 1), (array, 2)], still=still)
    alone = encode_apart((array,), {"other": other}, 0)
    array[:] = other[:] = -1
    loaded: list[Any] = [payload.load(call) for call in [*calls, alone]]
    for ((first, *_), _), expected in zip(loaded, [1.0, 2.0, 1.0, 1.0], strict=True):
        assert (first == expected).all()
    assert (loaded[3][1]["other"] == 2.0).all()


class Filled:
    """A sequence that fills the same array again for each item."""

    def __init__(self) -> None:
        self._array = np.zeros(200_000)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, number: int) -> Any:
        if number >= len(self):
            raise IndexError
        self._array[:] = number
        return self._array


def test_what_stands_for_a_sequence_may_fill_its_array_again() -> None:
    """Its type, which is Python's own, hides what is done when it is read."""
    filled = Filled()
    proxy = weakref.proxy(filled)
    calls = encode_all(((item,) for item in proxy), still=is_still(proxy))
    loaded: list[Any] = [payload.load(call) for call in calls]
    assert [args[0][-1] for args, _ in loaded] == [0, 1, 2]


def test_a_generator_may_fill_its_array_again() -> None:
    """Each call has what it was when it was read."""

    def filled() -> Iterator[tuple[Any]]:
        array = np.zeros(200_000)
        for number in range(3):
            array[:] = number
            yield (array,)

    loaded: list[Any] = [payload.load(c) for c in encode_all(filled(), still=False)]
    assert [args[0][-1] for args, _ in loaded] == [0, 1, 2]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ITEMS = SCALARS | st.lists(SCALARS, max_size=3) | st.tuples(SCALARS)


@given(st.lists(ITEMS, max_size=8))
def test_calls_are_encoded_as_each_would_be_alone(items: list[Any]) -> None:
    """Whether they are looked at together or one by one, as what is not still is."""
    calls = [tuple(i) if isinstance(i, list) else (i,) for i in items]
    assert list(arguments(items, still=True)) == calls
    assert list(arguments(iter(items), still=False)) == calls
    assert encode_still(iter(calls)) == [encode_call(args, None, 0) for args in calls]


def test_an_item_that_is_a_kind_of_list_is_spread() -> None:
    """As any list is, and what stands for one."""
    owned = OwnList([1, 2])
    items = (owned, 3, weakref.proxy(owned))
    assert list(arguments(items, still=True)) == [(1, 2), (3,), (1, 2)]


def test_the_input_that_cannot_be_sent_is_named() -> None:
    """By its number, however many were looked at before it."""
    calls: list[tuple[Any, ...]] = [(number,) for number in range(10_000)]
    calls.append(((letter for letter in "a"),))
    with pytest.raises(UnpicklableError, match="input 10000"):
        encode_still(iter(calls))
