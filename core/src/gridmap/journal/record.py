"""One item of the journal as bytes that prove themselves.

::

    checksum  over the item's number and all that follows (u32)
    header    version, how many pieces, how many of them in the row, checksum of the
              others (u32 each)
    sizes     of each piece (u64): the body, then the frames
    pieces    those that are in the row, one behind the other

The other pieces stand, one behind the other, in a file named for the number. All
integers are little-endian. This module does no I/O.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence  # noqa: TC003 - tests make any that its type allows
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.payload import Frame  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterable

SPILL_BYTES: Final = 2**20
"""An item with more bytes than this has its frames in a file of its own."""

_VERSION: Final = 1
_CHECKSUM: Final = struct.Struct("<I")
_HEADER: Final = struct.Struct("<IIII")
_NUMBER: Final = struct.Struct("<Q")
_HELD_BYTES: Final = 2**18
_STEP_BYTES: Final = 5 * 2**10


class Item(msgspec.Struct, frozen=True):
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


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was found intact.

    Attributes:
        inline: The pieces in the row.
        spilled: Bytes of each piece that is not in the row.
        spilled_checksum: What those must have.
    """

    inline: tuple[bytes, ...]
    spilled: tuple[int, ...]
    spilled_checksum: int

    def proves(self, pieces: Sequence[bytes]) -> bool:
        """Say whether *pieces* are what was spilled from this row."""
        return checksum(pieces) == self.spilled_checksum

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


def encode(number: int, item: Item, spilled_checksum: int = 0) -> bytes:
    """Return the row of *item*.

    Args:
        number: Its place in the journal.
        item: What to write down.
        spilled_checksum: Of what `spills` returns, if that is anything.
    """
    pieces: tuple[Frame, ...] = (item.body, *item.frames)
    inline = _inline(item)
    parts = (
        _HEADER.pack(_VERSION, len(pieces), inline, spilled_checksum),
        struct.pack(f"<{len(pieces)}Q", *map(_size, pieces)),
        *pieces[:inline],
    )
    own = checksum((_NUMBER.pack(number), *parts))
    return b"".join((_CHECKSUM.pack(own), *parts))


def decode(number: int, row: bytes) -> Record | None:
    """Return what a row says, None if it is not exactly what `encode` made.

    Args:
        number: The place it was found at.
        row: Any bytes.
    """
    view = memoryview(row)[_CHECKSUM.size :]
    if len(view) < _HEADER.size or not 0 < number < 2**63:
        return None
    if checksum([_NUMBER.pack(number), view]) != _CHECKSUM.unpack_from(row)[0]:
        return None
    version, count, inline, spilled_checksum = _HEADER.unpack_from(view)
    first = _HEADER.size + 8 * count
    if version != _VERSION or inline > count or not count or first > len(view):
        return None
    sizes = struct.unpack_from(f"<{count}Q", view, _HEADER.size)
    ends = list(accumulate(sizes[:inline], initial=first))
    if ends[-1] != len(view):
        return None
    return Record(
        inline=tuple(bytes(view[start:end]) for start, end in pairwise(ends)),
        spilled=sizes[inline:],
        spilled_checksum=spilled_checksum,
    )


def checksum(parts: Iterable[Frame]) -> int:
    """Return the CRC-32 of *parts*, one behind the other.

    What is small is taken in small steps: above 5 KiB zlib lets other threads run
    meanwhile (CPython, zlibmodule.c), and getting the interpreter back from a busy
    one takes 5 ms, hundreds of times what the sum takes.
    """
    state = 0
    for part in parts:
        view = memoryview(part)
        if not view.nbytes:
            continue  # and cannot be cast
        view = view.cast("B")
        step = _STEP_BYTES if view.nbytes < _HELD_BYTES else view.nbytes
        for start in range(0, view.nbytes, step):
            state = zlib.crc32(view[start : start + step], state)
    return state


def _inline(item: Item) -> int:
    """Say how many pieces of *item* stand in its row."""
    if len(item.body) > SPILL_BYTES:
        return 0
    if len(item.body) + sum(map(_size, item.frames)) > SPILL_BYTES:
        return 1
    return 1 + len(item.frames)


def _size(frame: Frame) -> int:
    return len(frame) if isinstance(frame, bytes) else memoryview(frame).nbytes
