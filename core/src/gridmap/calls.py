"""The calls of a map or an executor as they travel, with what their arguments were then.

Arguments are pickled when a call is read or handed in, but large arrays are left where
they are. Where the user's code runs before these are sent, it may change them; so they
are put apart first, unless nothing can have changed them yet.
"""

from __future__ import annotations

import itertools
import sys
from array import array
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from gridmap import payload
from gridmap.monitor.store import encode_apart, encode_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gridmap.payload import Parcel


_CHUNK: Final = 4096
"""Calls that are looked at together: they are all numbers, or one by one."""

_PLAIN: Final[tuple[type[Any], ...]] = (
    *(list, tuple, dict, set, frozenset, deque, array, range, str, bytes, bytearray),
    *(type({}.keys()), type({}.values()), type({}.items())),
    *(itertools.repeat, itertools.count),
)
_ALONE: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, tuple, dict, set, frozenset}
)
"""Types of items that are no lists, and do not pretend to be."""

_STILL: Final = frozenset(kind.__iter__ for kind in _PLAIN)
"""What reads them, their subclasses too unless these have an iteration of their own."""


def is_still(iterable: object) -> bool:
    """Say whether reading something is known to run none of the user's code.

    So it is with lists, tuples, NumPy's arrays and their like. Whatever else there is
    may fill the same array again for its next item: a generator, a class of the user's,
    or what only stands for one, as `weakref.proxy` does.
    """
    kind: Any = type(iterable)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return True
    return getattr(kind, "__iter__", None) in _STILL


def arguments(items: Iterable[Any], *, still: bool) -> Iterator[tuple[Any, ...]]:
    """Return the positional arguments that a map's items stand for.

    Args:
        items: Each is the one argument of a call; or the arguments, if it is a list.
        still: Whether they can be looked at before they are read, and stay the same.
    """
    if still and _ALONE.issuperset(map(type, items)):
        return zip(items)
    return (tuple(item) if isinstance(item, list) else (item,) for item in items)


def encode_all(
    calls: Iterable[Sequence[Any]], *, still: bool
) -> Sequence[bytes | Parcel]:
    """Return the arguments of many calls as they are when each is read.

    Args:
        calls: They are read to their end.
        still: Whether that runs none of the user's code, so that an array that many
            calls have is the same in all of them.

    Raises:
        UnpicklableError: If one of them cannot be sent; it names which.
    """
    if still:
        return payload.detach(encode_still(map(tuple, calls)))
    return [encode_apart(tuple(args), None, n) for n, args in enumerate(calls)]


def encode_still(calls: Iterable[tuple[Any, ...]]) -> list[bytes | Parcel]:
    """Return the arguments of many calls, which share memory with what they are of.

    Args:
        calls: They are read to their end, which runs none of the user's code.

    Raises:
        UnpicklableError: If one of them cannot be sent; it names which.
    """
    encoded: list[bytes | Parcel] = []
    calls = iter(calls)
    while chunk := list(itertools.islice(calls, _CHUNK)):
        encoded += payload.dump_calls(chunk) or [
            encode_call(args, None, number)
            for number, args in enumerate(chunk, len(encoded))
        ]
    return encoded
