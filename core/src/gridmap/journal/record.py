"""One item of the journal as bytes that prove themselves.

::

    digest    16 bytes, over the item's number and all that follows
    header    version, how many pieces, how many of them in the row (u32 each),
              digest of the others (16 bytes; zeros if there are none)
    sizes     of each piece (u64): the body, then the frames
    pieces    those that are in the row, one behind the other

The other pieces stand, one behind the other, in a file named for the number. All
integers are little-endian. This module does no I/O.
"""

from __future__ import annotations

import hashlib
import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.payload import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPILL_BYTES: Final = 2**20
"""An item with more bytes than this has its frames in a file of its own."""

_VERSION: Final = 1
_DIGEST_BYTES: Final = 16
_HEADER: Final = struct.Struct("<III16s")
_NUMBER: Final = struct.Struct("<q")
_HELD_BYTES: Final = 2**18
_STEP_BYTES: Final = 2000


@attrs.frozen
class Item:
    """What the journal keeps, in the order it was put.

    Attributes:
        body: What happened; the journal does not look into it.
        frames: What goes with it and may be large, at best not touched again: bytes
            or anything else that lies in memory in one piece. Read back as bytes.
    """

    body: bytes
    frames: tuple[Frame, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How much memory it holds, roughly."""
        return len(self.body) + sum(map(_size, self.frames)) + 200


@attrs.frozen(kw_only=True)
class Record:
    """A row that was found intact.

    Attributes:
        inline: The pieces in the row.
        spilled: Bytes of each piece that is not in the row.
        spilled_digest: What those must have.
    """

    inline: tuple[bytes, ...]
    spilled: tuple[int, ...]
    spilled_digest: bytes

    def proves(self, pieces: Sequence[bytes]) -> bool:
        """Say whether *pieces* are what was spilled from this row."""
        return digest(pieces) == self.spilled_digest

    def item(self, pieces: Sequence[bytes] = ()) -> Item:
        """Return the item.

        Args:
            pieces: Those that are not in the row.
        """
        body, *frames = (*self.inline, *pieces)
        return Item(body, tuple(frames))


def spills(item: Item) -> Sequence[Frame]:
    """Return the pieces of *item* that belong into a file of their own, uncopied."""
    return (item.body, *item.frames)[_inline(item) :]


def encode(number: int, item: Item, spilled_digest: bytes = b"") -> bytes:
    """Return the row of *item*.

    Args:
        number: Its place in the journal.
        item: What to write down.
        spilled_digest: Of what `spills` returns, if that is anything.
    """
    pieces: tuple[Frame, ...] = (item.body, *item.frames)
    inline = _inline(item)
    rest = b"".join(
        (
            _HEADER.pack(_VERSION, len(pieces), inline, spilled_digest),
            struct.pack(f"<{len(pieces)}Q", *map(_size, pieces)),
            *pieces[:inline],
        )
    )
    return digest([_NUMBER.pack(number), rest]) + rest


def decode(number: int, row: bytes) -> Record | None:
    """Return what a row says, None if it is not exactly what `encode` made.

    Args:
        number: The place it was found at.
        row: Any bytes.
    """
    view = memoryview(row)[_DIGEST_BYTES:]
    if len(view) < _HEADER.size or not 0 < number < 2**63:
        return None
    if digest([_NUMBER.pack(number), view]) != row[:_DIGEST_BYTES]:
        return None
    version, count, inline, spilled_digest = _HEADER.unpack_from(view)
    if version != _VERSION:
        return None
    sizes = struct.unpack_from(f"<{count}Q", view, _HEADER.size)
    ends = accumulate(sizes[:inline], initial=_HEADER.size + 8 * count)
    return Record(
        inline=tuple(bytes(view[start:end]) for start, end in pairwise(ends)),
        spilled=sizes[inline:],
        spilled_digest=spilled_digest,
    )


def digest(parts: Iterable[Frame]) -> bytes:
    """Return the digest of *parts*, one behind the other.

    What is small is taken in small steps: above 2,047 bytes hashlib lets other
    threads run meanwhile (CPython 3.11, hashlib.h), and getting the interpreter back
    from a busy one takes 5 ms, a hundred times what the digest takes.
    """
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        view = memoryview(part)
        if view.format != "B" or view.ndim != 1:
            view = memoryview(bytes(view)) if not view.nbytes else view.cast("B")
        if view.nbytes > _HELD_BYTES:
            state.update(view)
            continue
        for start in range(0, view.nbytes, _STEP_BYTES):
            state.update(view[start : start + _STEP_BYTES])
    return state.digest()


def _inline(item: Item) -> int:
    """Say how many pieces of *item* stand in its row."""
    if len(item.body) > SPILL_BYTES:
        return 0
    if len(item.body) + sum(map(_size, item.frames)) > SPILL_BYTES:
        return 1
    return 1 + len(item.frames)


def _size(frame: Frame) -> int:
    return len(frame) if isinstance(frame, bytes) else memoryview(frame).nbytes
