"""The calls of a map or an executor as they travel, with what their arguments were then.

Arguments are pickled when a call is read or handed in, but large arrays are left where
they are. Where the user's code runs before these are sent, it may change them; so they
are put apart first, unless nothing can have changed them yet.
"""

from __future__ import annotations

import itertools
import types
from typing import TYPE_CHECKING, Any

from gridmap import payload
from gridmap.monitor.store import encode_apart, encode_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gridmap.payload import Parcel


def is_still(iterable: object) -> bool:
    """Say whether reading something runs none of the user's code.

    So it is with lists, tuples, arrays and their like; a generator, or a class whose
    iteration is written in Python, may fill the same array again for its next item.
    """
    kind: Any = type(iterable)
    if kind in (itertools.repeat, itertools.count):
        return True
    reading = getattr(kind, "__iter__", None) or getattr(kind, "__getitem__", None)
    return hasattr(kind, "__len__") and not isinstance(reading, types.FunctionType)


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
    numbered: Iterator[tuple[int, Sequence[Any]]] = enumerate(calls)
    if not still:
        return [encode_apart(tuple(args), None, number) for number, args in numbered]
    return payload.detach(
        [encode_call(tuple(args), None, number) for number, args in numbered]
    )
