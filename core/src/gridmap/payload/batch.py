"""Many parcels in few frames.

A batch of *n* parcels is a list of frames::

    table    header, n sizes (u32), then a pair (u32, u32) for each parcel that has
             frames of its own: its index, and how many
    joined   the small streams, one behind the other
    own...   streams of 64 KiB and more, and all out-of-band buffers, uncopied

The size of a stream that has a frame of its own is written as ``OWN``; its first own
frame is the stream, the rest are its buffers. All numbers are little-endian.

Reading checks everything before it hands out anything: the numbers have to add up to
exactly what is there. Costs are a few hundred nanoseconds a parcel for all of it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, cast

import msgspec

from gridmap.concealing import Concealing
from gridmap.errors import LocalProtocolError, RemoteProtocolError
from gridmap.payload.pickling import LARGE_BYTES, Frame, Parcel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PARCELS: Final = 1 << 20
"""How many parcels fit a batch; more are several batches."""

OWN: Final = 0xFFFF_FFFF
"""In place of a size: this stream has a frame of its own."""

_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BxxxII")  # version, parcels, parcels with own frames
_SLICE_BYTES: Final = 512


def pack(parcels: Sequence[bytes | Parcel]) -> list[Frame]:
    """Put *parcels* into frames.

    Args:
        parcels: At most a million; bytes stand for a parcel without buffers.

    Returns:
        The frames: a table, the small streams, then large streams and buffers, which
        are not copied.

    Raises:
        LocalProtocolError: If they are too many.
    """
    _check_count(len(parcels))
    if set(map(type, parcels)) <= {bytes}:
        heads = cast("Sequence[bytes]", parcels)
        sizes = list(map(len, heads))
        if max(sizes, default=0) < LARGE_BYTES:
            return [_table(sizes, ()), b"".join(heads)]
    return _pack_mixed(parcels)


def join(sizes: Sequence[int], joined: bytes) -> list[Frame]:
    """Return the frames of a batch of small streams that are joined already.

    Args:
        sizes: The size of each, below 64 KiB.
        joined: The streams, one behind the other.
    """
    _check_count(len(sizes))
    return [_table(sizes, ()), joined]


def _pack_mixed(parcels: Iterable[bytes | Parcel]) -> list[Frame]:
    sizes: list[int] = []
    joined: list[Frame] = []
    owners: list[tuple[int, int]] = []
    own: list[Frame] = []
    for index, parcel in enumerate(parcels):
        head, buffers = parcel if isinstance(parcel, Parcel) else (parcel, ())
        before = len(own)
        if len(head) < LARGE_BYTES:
            sizes.append(len(head))
            joined.append(head)
        else:
            sizes.append(OWN)
            own.append(head)
        own.extend(buffers)
        if len(own) > before:
            owners.append((index, len(own) - before))
    return [_table(sizes, owners), b"".join(joined), *own]


def _table(sizes: Sequence[int], owners: Sequence[tuple[int, int]]) -> bytes:
    flat = [number for owner in owners for number in owner]
    header = _HEADER.pack(_VERSION, len(sizes), len(owners))
    return header + struct.pack(f"<{len(sizes) + len(flat)}I", *sizes, *flat)


def _check_count(count: int) -> None:
    if count > MAX_PARCELS:
        msg = f"{count} parcels do not fit a batch of {MAX_PARCELS}"
        raise LocalProtocolError(msg)


class Batch(Concealing, msgspec.Struct, frozen=True, eq=False):
    """A packed batch, checked, of which parts can be taken without unpickling.

    Made by `Batch.read`. Frames are shared, never copied or changed.

    Attributes:
        table: The first frame, as it came.
        sizes: Size of each parcel's stream, or ``OWN``.
        offsets: Where each stream starts in the joined frame, and where the last ends.
        joined: The joined frame.
        owners: Indexes of parcels with frames of their own, ascending.
        firsts: Where in ``own`` the frames of each owner start, and where the last's
            end.
        own: Those frames.
    """

    concealed = frozenset(
        {"table", "sizes", "offsets", "joined", "owners", "firsts", "own"}
    )

    table: Frame
    sizes: tuple[int, ...]
    offsets: list[int]
    joined: bytes | memoryview
    owners: list[int]
    firsts: list[int]
    own: list[Frame]

    @classmethod
    def read(cls, frames: Sequence[Frame]) -> Batch:
        """Check the frames of a batch.

        Args:
            frames: What `pack` or `take` returned, possibly from another process.

        Returns:
            The batch.

        Raises:
            RemoteProtocolError: If the numbers do not add up to what is there; then
                nothing of it can be used.
        """
        if len(frames) < 2:  # noqa: PLR2004 - table and joined streams
            msg = f"a batch has at least 2 frames, not {len(frames)}"
            raise RemoteProtocolError(msg)
        table, joined, *own = frames
        sizes, owners, counts = _read_table(table)
        mixed = OWN in sizes
        there = [0 if size == OWN else size for size in sizes] if mixed else sizes
        offsets = list(accumulate(there, initial=0))
        firsts = list(accumulate(counts, initial=0)) if owners else [0]
        if len(joined) != offsets[-1]:
            what = "bytes of joined streams"
            raise _unexpected(what, len(joined), offsets[-1])
        if len(own) != firsts[-1]:
            what = "frames of their own"
            raise _unexpected(what, len(own), firsts[-1])
        if owners or mixed:
            _check_owners(sizes, owners, counts)
        # Below a few hundred bytes a copy is both faster and smaller than a memoryview.
        short = len(joined) <= len(sizes) * _SLICE_BYTES
        joined = bytes(joined) if short else memoryview(joined)
        return cls(table, sizes, offsets, joined, owners, firsts, own)

    def __len__(self) -> int:
        return len(self.sizes)

    def parcels(self, start: int = 0, stop: int | None = None) -> list[Parcel]:
        """Return the parcels from *start* up to *stop* (None: the end), in order."""
        pieces = self.pieces(start, stop)
        return [p if type(p) is Parcel else Parcel(cast("bytes", p)) for p in pieces]

    def pieces(self, start: int = 0, stop: int | None = None) -> list[Frame | Parcel]:
        """Return the same as `parcels`, but bare streams for those that are no more.

        A map's jobs mostly are, and a tuple for each is work for the garbage
        collector besides.
        """
        start, stop, _ = slice(start, stop).indices(len(self.sizes))
        offsets = self.offsets[start : stop + 1]
        joined = self.joined
        pieces: list[Frame | Parcel] = [
            joined[begin:end] for begin, end in pairwise(offsets)
        ]
        for owner in range(*self._owners(start, stop)) if self.owners else ():
            index = self.owners[owner]
            frames = tuple(self.own[self.firsts[owner] : self.firsts[owner + 1]])
            if self.sizes[index] == OWN:
                pieces[index - start] = Parcel(cast("bytes", frames[0]), frames[1:])
            else:
                head = cast("bytes", pieces[index - start])
                pieces[index - start] = Parcel(head, frames)
        return pieces

    def take(self, start: int, stop: int) -> list[Frame]:
        """Return the frames of a batch of the parcels from *start* up to *stop*.

        Costs what the part costs, however long the whole is.
        """
        start, stop, _ = slice(start, stop).indices(len(self.sizes))
        if stop - start == len(self.sizes):  # as most are taken: whole, as they came
            return [self.table, self.joined, *self.own]
        low, high = self._owners(start, stop)
        owners = [
            (self.owners[owner] - start, self.firsts[owner + 1] - self.firsts[owner])
            for owner in range(low, high)
        ]
        table = _table(self.sizes[start:stop], owners)
        joined = memoryview(self.joined)[self.offsets[start] : self.offsets[stop]]
        return [table, joined, *self.own[self.firsts[low] : self.firsts[high]]]

    def _owners(self, start: int, stop: int) -> tuple[int, int]:
        return bisect_left(self.owners, start), bisect_left(self.owners, stop)


def unpack(frames: Sequence[Frame]) -> list[Parcel]:
    """Return the parcels of a batch, without copying what is large.

    Args:
        frames: What `pack` or `take` returned, possibly from another process.

    Returns:
        The parcels, in order.

    Raises:
        RemoteProtocolError: If the frames are not exactly a batch.
    """
    return Batch.read(frames).parcels()


def take(frames: Sequence[Frame], start: int, stop: int) -> list[Frame]:
    """Return the frames of a batch of the parcels from *start* up to *stop*.

    This reads the whole table each time; keep a `Batch` to take many parts of one.

    Raises:
        RemoteProtocolError: If the frames are not exactly a batch.
    """
    return Batch.read(frames).take(start, stop)


def _read_table(table: Frame) -> tuple[tuple[int, ...], list[int], list[int]]:
    """Return sizes, owners, and how many frames each of them owns."""
    if len(table) < _HEADER.size:
        msg = f"a batch's table has at least {_HEADER.size} bytes, not {len(table)}"
        raise RemoteProtocolError(msg)
    version, count, owning = _HEADER.unpack_from(table)
    if version != _VERSION:
        what = "version of the table"
        raise _unexpected(what, version, _VERSION)
    if count > MAX_PARCELS or owning > count:
        msg = f"a batch of {count} parcels, {owning} with own frames, is not possible"
        raise RemoteProtocolError(msg)
    nbytes = _HEADER.size + 4 * count + 8 * owning
    if len(table) != nbytes:
        what = "bytes of table"
        raise _unexpected(what, len(table), nbytes)
    numbers = struct.unpack_from(f"<{count + 2 * owning}I", table, _HEADER.size)
    if not owning:
        return numbers, [], []
    return numbers[:count], list(numbers[count::2]), list(numbers[count + 1 :: 2])


def _check_owners(sizes: tuple[int, ...], owners: list[int], counts: list[int]) -> None:
    ascending = all(before < after for before, after in pairwise(owners))
    if not ascending or (owners and owners[-1] >= len(sizes)) or 0 in counts:
        msg = "the owners in a batch's table are not in order"
        raise RemoteProtocolError(msg)
    having_own_stream = sum(sizes[owner] == OWN for owner in owners)
    if having_own_stream != sizes.count(OWN):
        what = "owners with a stream of their own"
        raise _unexpected(what, having_own_stream, sizes.count(OWN))


def _unexpected(what: str, got: int, expected: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a batch with {got} {what} instead of {expected}")
