"""How runner and worker speak over their socket pair.

A record is a fixed header, the sizes of its frames, and the frames. Large frames are
not written into the socket: their memory goes along with the header. Both ends are the
same program on the same machine and trust each other; nothing here crosses a network.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from gridmap.payload import held, memory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gridmap.payload.memory import Sealed

Frame: TypeAlias = "bytes | bytearray | memoryview"
"""A view is one of bytes, whose length is its size."""

_HEADER: Final = struct.Struct("<BBHIqqd")
_SIZE: Final = struct.Struct("<Q")
_LARGE: Final = 65_536
_MOST_FRAMES: Final = 65_535
_APART: Final = 1 << 63
"""Marks the size of a frame whose memory goes along with the header; the bits below
say which memory it is. Several frames may be one."""

_NUMBER_AT: Final = 48
_MOST_BYTES: Final = (1 << _NUMBER_AT) - 1

_MOST_APART: Final = 64
"""The kernel passes 253 descriptors at a time, see ``SCM_MAX_FD`` in unix(7)."""

ROOM: Final = socket.CMSG_SPACE(_MOST_APART * struct.calcsize("i"))
"""Bytes of ancillary data that descriptors need."""


ONCE: Final = 1
"""``kind`` of a content that is to be forgotten after the next jobs."""

FAILED: Final = 1
"""``kind`` of results of which some are exceptions, and of what is no checkpoint."""


CLOEXEC: Final = 0x40000000
"""``MSG_CMSGCLOEXEC`` of recvmsg(2), which not every build of Python names."""

_TRUNCATED: Final = int(socket.MSG_CTRUNC)
"""As a number: to look for it in others by name takes longer than to receive them."""


class RecordType(enum.IntEnum):
    """What a record is about."""

    SETUP = 1
    """Runner to worker: how to be like the user's process (msgpack)."""
    CONTENT = 2
    """Runner to worker: a function; frames: digest, then its parcel. If ``kind`` is
    `ONCE`, it is for the jobs that follow at once, and for no others."""
    JOBS = 3
    """Runner to worker: ``job`` is the first; frames: digest, then packed inputs."""
    READY = 4
    """Worker to runner: it is set up."""
    RESULT = 5
    """Worker to runner: ``count`` jobs from ``job`` on ended; frames: what of them is
    to travel, packed. If ``kind`` is `FAILED`, some of them raised exceptions, of which
    the first frame tells (msgpack: a list of `protocol.messages.Failure`)."""
    CHECKPOINT = 6
    """Worker to runner: what ``job`` is to be resumed with, a pickle stream and its
    buffers; or, if ``kind`` is `FAILED`, why there is none, as text."""
    MARK = 7
    """Runner to worker: what was handed over before this and is not begun is withdrawn."""
    CLEARED = 8
    """Worker to runner: it has read the mark; all results of before came before this."""
    DISCARD = 9
    """Runner to worker: no job needs this function any more; frames: digest."""


_TYPES: Final = {record_type.value: record_type for record_type in RecordType}


class Record(msgspec.Struct, frozen=True):
    """One record.

    Attributes:
        type: What it is about.
        frames: Its payload.
        job: A job, -1 if it is about none.
        count: How many jobs, from that one on.
        grant: The grant that jobs to run belong to; results never mix two.
        kind: `ONCE`, `FAILED` or 0; see `RecordType`.
        seconds: How long the jobs took.
    """

    type: RecordType
    frames: tuple[Frame, ...] = ()
    job: int = -1
    count: int = 1
    kind: int = 0
    seconds: float = 0.0
    grant: int = 0


class Apart(NamedTuple):
    """Frames of a record that are handed over as memory.

    Attributes:
        numbers: By the index of such a frame, which memory it is.
        memories: Each once; several frames may be one.
    """

    numbers: Mapping[int, int]
    memories: tuple[Sealed, ...]


_NOTHING: Final = Apart({}, ())


def pack(record: Record, apart: Apart = _NOTHING) -> list[Frame]:
    """Return a record as byte strings to be written one behind the other.

    Args:
        record: The record.
        apart: What `put_apart` returned. Of these frames only the size is told, and
            which memory they are; the memory has to go along with the first string.

    Raises:
        ValueError: If it has more frames than a header can count.
    """
    if len(record.frames) > _MOST_FRAMES:
        msg = f"a record of {len(record.frames)} frames"
        raise ValueError(msg)
    frames: Sequence[Frame] = record.frames
    sizes = list(map(len, frames))
    together = sum(sizes)
    if numbers := apart.numbers:
        frames = [f for index, f in enumerate(frames) if index not in numbers]
        for index, number in numbers.items():
            together -= sizes[index]
            sizes[index] |= _APART | number << _NUMBER_AT
    head = _HEADER.pack(
        record.type,
        record.kind,
        len(sizes),
        record.count,
        record.job,
        record.grant,
        record.seconds,
    ) + struct.pack(f"<{len(sizes)}Q", *sizes)
    if together <= _LARGE:
        return [b"".join((head, *frames))]
    return [head, *frames]


def put_apart(record: Record) -> Apart:
    """Copy large frames of a record into memory that can be handed over.

    Returns:
        Which, and the memory; there is none if no frame is large or the system has none
        to give. Frames that are one object, or show the same memory, are one memory.
    """
    if max(map(len, record.frames), default=0) < memory.LEAST_BYTES:
        return _NOTHING  # as most records are
    numbers: dict[int, int] = {}
    memories: dict[Sealed, int] = {}
    seen: dict[int, Sealed] = {}
    for index, frame in enumerate(record.frames):
        if len(frame) < memory.LEAST_BYTES:
            continue
        sealed = seen.get(id(frame)) or held.sealed_in(frame)
        if sealed not in memories:
            sealed = held.seal(frame) if len(memories) < _MOST_APART else None
        if sealed is not None:
            seen[id(frame)] = sealed
            numbers[index] = memories.setdefault(sealed, len(memories))
    return Apart(numbers, tuple(memories))


def send_with(sock: socket.socket, part: Frame, memories: Collection[Sealed]) -> int:
    """Write the start of a part, with memory; return how many bytes were written.

    Raises:
        BlockingIOError: If nothing was, nor was the memory handed over.
    """
    if not memories:
        return sock.send(part)
    descriptors = [sealed.descriptor for sealed in memories]
    packed = struct.pack(f"{len(descriptors)}i", *descriptors)
    return sock.sendmsg([part], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)])


def received(
    ancillary: Sequence[tuple[int, int, bytes]], flags: int
) -> list[memoryview]:
    """Return the memory that came along with bytes.

    Args:
        ancillary: As `socket.socket.recvmsg` returned it.
        flags: Likewise.

    Raises:
        OSError: If this process has no descriptors left to take it.
    """
    taken: list[memoryview] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            size = struct.calcsize("i")
            count = len(data) // size
            descriptors = struct.unpack(f"{count}i", data[: count * size])
            taken += map(held.relay, descriptors)
    if flags & _TRUNCATED:
        msg = "large data cannot be taken over: this process has too many open files"
        raise OSError(msg)
    return taken


class Reader:
    """Cuts the bytes of a socket into records."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._apart: deque[memoryview] = deque()

    def feed(self, data: Frame, apart: Sequence[memoryview] = ()) -> Iterator[Record]:
        """Take in bytes, and the memory that came along; yield what is complete."""
        self._buffer += data
        self._apart.extend(apart)
        view = memoryview(self._buffer)
        at = 0
        try:
            # Most often it is one record, and nothing behind it.
            while at < len(view) and (parsed := _parse(view, at, self._apart)):
                record, at = parsed
                yield record
        finally:
            view.release()
            del self._buffer[:at]


def _sizes(view: memoryview, at: int) -> tuple[int, ...] | None:
    if len(view) - at < _HEADER.size:
        return None
    count = _HEADER.unpack_from(view, at)[2]
    if len(view) - at < _HEADER.size + count * _SIZE.size:
        return None
    return struct.unpack_from(f"<{count}Q", view, at + _HEADER.size)


def _inline(sizes: Sequence[int]) -> int:
    """Return how many bytes follow the sizes."""
    together = sum(sizes)
    if together < _APART:
        return together
    return sum(size for size in sizes if not size & _APART)


def _parse(
    view: memoryview, at: int, apart: deque[memoryview]
) -> tuple[Record, int] | None:
    sizes = _sizes(view, at)
    if sizes is None:
        return None
    start = at + _HEADER.size + _SIZE.size * len(sizes)
    if len(view) < start + _inline(sizes):
        return None
    memories = _handed(sizes, apart)
    frames: list[Frame] = []
    for size in sizes:
        if size & _APART:
            frames.append(_among(memories, size))
        else:
            frames.append(bytes(view[start : start + size]))
            start += size
    kind_of, kind, _, jobs, job, grant, seconds = _HEADER.unpack_from(view, at)
    record = Record(_TYPES[kind_of], tuple(frames), job, jobs, kind, seconds, grant)
    return record, start


def _handed(sizes: Sequence[int], apart: deque[memoryview]) -> list[memoryview]:
    """Return the memory that came along with a record, of what has come."""
    if not apart:
        return []
    numbers = [_number(size) for size in sizes if size & _APART]
    memories = [apart.popleft() for _ in range(max(numbers, default=-1) + 1)]
    # What there was no room to hold is writable: it must not be two jobs' to write to.
    return [
        found if numbers.count(number) == 1 else found.toreadonly()
        for number, found in enumerate(memories)
    ]


def _number(size: int) -> int:
    return (size ^ _APART) >> _NUMBER_AT


def _among(memories: Sequence[memoryview], size: int) -> memoryview:
    """Return the memory that a frame is."""
    frame, expected = memories[_number(size)], size & _MOST_BYTES
    if len(frame) != expected:
        msg = f"a frame of {expected} bytes came as {len(frame)}"
        raise OSError(msg)
    return frame


def send(sock: socket.socket, record: Record) -> None:
    """Write a record, blocking until it is written."""
    apart = put_apart(record)
    first, *rest = pack(record, apart)
    sent = send_with(sock, first, apart.memories)
    if sent < len(first):
        sock.sendall(memoryview(first)[sent:])
    for part in rest:
        sock.sendall(part)


class Inlet:
    """The worker's end, where records are read one by one, blocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._room = memoryview(bytearray(_LARGE))
        self._here = self._room[:0]
        self._apart: deque[memoryview] = deque()

    @property
    def waiting(self) -> bool:
        """Whether something of the next record has been read already."""
        return bool(self._here)

    def receive(self) -> Record | None:
        """Read one record; None if the other end is gone.

        Large frames are memory that is held, of which `payload.load` gives each job its
        own.

        Raises:
            OSError: If large data cannot be taken over.
        """
        head = self._take(_HEADER.size)
        if head is None:
            return None
        kind_of, kind, count, jobs, job, grant, seconds = _HEADER.unpack(head)
        table = self._take(count * _SIZE.size)
        if table is None:
            return None
        sizes = struct.unpack(f"<{count}Q", table)
        memories = _handed(sizes, self._apart)
        frames: list[Frame] = []
        for size in sizes:
            frame = _among(memories, size) if size & _APART else self._take(size)
            if frame is None:
                return None
            frames.append(frame)
        return Record(_TYPES[kind_of], tuple(frames), job, jobs, kind, seconds, grant)

    def _take(self, size: int) -> bytes | bytearray | None:
        """Return so many bytes; what is large is writable. None at the end."""
        if len(self._here) < size:
            return self._read(size)
        taken = bytes(self._here[:size])
        self._here = self._here[size:]
        return taken

    def _read(self, size: int) -> bytes | bytearray | None:
        """Return bytes that are not all here: large ones in memory of their own."""
        own = bytearray(size) if size > len(self._room) else None
        view = self._room if own is None else memoryview(own)
        have = len(self._here)
        view[:have] = self._here
        while have < size:
            count, ancillary, flags, _ = self._sock.recvmsg_into(
                [view[have:]], ROOM, CLOEXEC
            )
            self._apart.extend(received(ancillary, flags))
            if count == 0:
                return None
            have += count
        if own is not None:  # all of it, and nothing else: it is the job's to resize
            self._here = self._room[:0]
            return own
        self._here = view[size:have]
        return bytes(view[:size])
