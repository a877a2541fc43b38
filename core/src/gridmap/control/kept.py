"""Jobs that failed, as they were handed in, kept for `gridmap replay`.

Beside a run's record lies a file of entries, each four bytes of length, little-endian,
and that many of MessagePack: functions and surroundings once, then the jobs that have
them. It is appended to while the run goes on; an end that was cut off is left out.

What is kept is bounded, by number and by bytes, and comes first come first served: of
many jobs that fail alike one is enough. Inputs are data of the user's and may be
secret, so the file is his alone, as the record is.
"""

from __future__ import annotations

import functools
import struct
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import payload
from gridmap.errors import RunError
from gridmap.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridmap.payload import Frame, Parcel

MOST_BYTES: Final = 16 * 2**20
"""Of the functions and inputs that are kept of a run."""

_LENGTH: Final = struct.Struct("<I")


class _Entry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    pass


class Function(_Entry, frozen=True, tag="function"):
    """A function, pickled, by its content address."""

    digest: bytes
    frames: list[bytes]


class Around(_Entry, frozen=True, tag="around"):
    """What jobs found around them; and the Python they were for."""

    number: int
    environment: dict[str, str | None]
    directory: str
    path: tuple[str, ...]
    python: tuple[int, int]


class Call(_Entry, frozen=True, tag="call"):
    """A job that failed: what it called, where, and with what."""

    job: int
    function: bytes
    around: int
    frames: list[bytes]


@functools.cache  # a run writes them, and others read them
def _decoder() -> msgspec.msgpack.Decoder[Function | Around | Call]:
    return msgspec.msgpack.Decoder(Function | Around | Call)


class Keeper:
    """Takes in failed jobs, and gives out what is to be written.

    Args:
        most: How many jobs are kept.
        around: Returns the run's surroundings of a number.
    """

    def __init__(self, most: int, around: Callable[[int], Around]) -> None:
        self._left, self._room = most, MOST_BYTES
        self._around = around
        self._known: set[object] = set()
        self._written = bytearray()
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether nothing more is kept."""
        return self._left <= 0

    def put(
        self,
        job: int,
        digest: bytes,
        function: Sequence[Frame],
        around: int,
        inputs: bytes | Parcel,
    ) -> None:
        """Take in a job, if there is room; copies what it keeps.

        Args:
            job: Its number.
            digest: Content address of its function.
            function: The function's frames, as `gridmap.payload.encode` made them.
            around: Number of its surroundings.
            inputs: Its arguments.
        """
        frames = payload.pack([inputs])
        fresh = digest not in self._known
        size = sum(
            memoryview(f).nbytes for f in (*frames, *(function if fresh else ()))
        )
        if self.full or size > self._room:
            return
        self._left -= 1
        self._room -= size
        entries: list[_Entry] = []
        if fresh:
            entries.append(Function(digest=digest, frames=list(map(bytes, function))))
        if around not in self._known:
            entries.append(self._around(around))
        self._known |= {digest, around}
        entries.append(
            Call(
                job=job, function=digest, around=around, frames=list(map(bytes, frames))
            )
        )
        with self._lock:
            for entry in entries:
                body = pack(entry)
                self._written += _LENGTH.pack(len(body)) + body

    def take(self) -> bytes:
        """Return what is to be written behind what was; another thread may `put`."""
        with self._lock:
            data, self._written = bytes(self._written), bytearray()
        return data


def find(data: bytes, job: int) -> tuple[Function, Around, Call] | None:
    """Return a job of a file; None if it was not kept.

    Raises:
        RunError: If the file makes no sense.
    """
    functions: dict[bytes, Function] = {}
    arounds: dict[int, Around] = {}
    try:
        for entry in _entries(data):
            match entry:
                case Function():
                    functions[entry.digest] = entry
                case Around():
                    arounds[entry.number] = entry
                case Call() if entry.job == job:
                    return functions[entry.function], arounds[entry.around], entry
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        msg = f"the file of jobs that failed is damaged: {error}"
        raise RunError(msg) from error
    return None


def _entries(data: bytes) -> Iterator[Function | Around | Call]:
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + size
        if at <= len(data):
            yield _decoder().decode(data[at - size : at])
