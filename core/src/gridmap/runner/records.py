"""How runner and worker speak over their socket pair.

A record is a fixed header, the sizes of its frames, and the frames. Both ends are the
same program on the same machine and trust each other; nothing here crosses a network.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

Frame: TypeAlias = "bytes | bytearray | memoryview"

_HEADER: Final = struct.Struct("<BBHiIqqd")
_SIZE: Final = struct.Struct("<Q")
_LARGE: Final = 65_536
_MOST_FRAMES: Final = 65_535


ONCE: Final = 1
"""``kind`` of a content that is to be forgotten after the next jobs."""


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
    to travel, packed. If ``kind`` is not 0, it is one job, and its exception, and the
    first frame tells of that (msgpack: names of its classes, and what it says)."""
    CHECKPOINT = 6
    """Worker to runner: what ``job`` is to be resumed with, a pickle stream and its
    buffers; or, if ``kind`` is not 0, why there is none, as text."""


@attrs.frozen
class Record:
    """One record.

    Attributes:
        type: What it is about.
        frames: Its payload.
        job: A job, -1 if it is about none.
        count: How many jobs, from that one on.
        grant: The grant that jobs to run belong to; results never mix two.
        kind: How the job ended: 0 for a value, else a `protocol.messages.Kind`.
        status: The exit status the job asked for, -1 if none.
        seconds: How long the jobs took.
    """

    type: RecordType
    frames: tuple[Frame, ...] = ()
    job: int = -1
    count: int = 1
    kind: int = 0
    status: int = -1
    seconds: float = 0.0
    grant: int = 0


def pack(record: Record) -> list[Frame]:
    """Return a record as byte strings to be written one behind the other.

    Raises:
        ValueError: If it has more frames than a header can count.
    """
    frames = record.frames
    if len(frames) > _MOST_FRAMES:
        msg = f"a record of {len(frames)} frames"
        raise ValueError(msg)
    sizes = [memoryview(frame).nbytes for frame in frames]
    head = _HEADER.pack(
        record.type,
        record.kind,
        len(frames),
        record.status,
        record.count,
        record.job,
        record.grant,
        record.seconds,
    ) + struct.pack(f"<{len(sizes)}Q", *sizes)
    if sum(sizes) <= _LARGE:
        return [b"".join((head, *frames))]
    return [head, *frames]


class Reader:
    """Cuts the bytes of a socket into records."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: Frame) -> Iterator[Record]:
        """Take in bytes and yield the records they complete."""
        self._buffer += data
        view = memoryview(self._buffer)
        at = 0
        try:
            while (parsed := _parse(view, at)) is not None:
                record, at = parsed
                yield record
        finally:
            view.release()
            del self._buffer[:at]

    def missing(self) -> int:
        """Return how many bytes the record under way lacks; 0 if that is unknown."""
        sizes = _sizes(memoryview(self._buffer), 0)
        if sizes is None:
            return 0
        needed = _HEADER.size + _SIZE.size * len(sizes) + sum(sizes)
        return max(0, needed - len(self._buffer))


def _sizes(view: memoryview, at: int) -> tuple[int, ...] | None:
    if len(view) - at < _HEADER.size:
        return None
    count = _HEADER.unpack_from(view, at)[2]
    if len(view) - at < _HEADER.size + count * _SIZE.size:
        return None
    return struct.unpack_from(f"<{count}Q", view, at + _HEADER.size)


def _parse(view: memoryview, at: int) -> tuple[Record, int] | None:
    sizes = _sizes(view, at)
    if sizes is None:
        return None
    start = at + _HEADER.size + _SIZE.size * len(sizes)
    if len(view) < start + sum(sizes):
        return None
    frames = []
    for size in sizes:
        frames.append(bytes(view[start : start + size]))
        start += size
    kind_of, kind, _, status, jobs, job, grant, seconds = _HEADER.unpack_from(view, at)
    record = Record(
        RecordType(kind_of), tuple(frames), job, jobs, kind, status, seconds, grant
    )
    return record, start


def send(sock: socket.socket, record: Record) -> None:
    """Write a record, blocking until it is written."""
    for part in pack(record):
        sock.sendall(part)


def receive(sock: socket.socket) -> Record | None:
    """Read one record, blocking; None if the other end is gone.

    Large frames are read straight into writable memory of their own, so that arrays
    made from them need no copy.
    """
    head = _read(sock, _HEADER.size)
    if head is None:
        return None
    kind_of, kind, count, status, jobs, job, grant, seconds = _HEADER.unpack(head)
    table = _read(sock, count * _SIZE.size)
    if table is None:
        return None
    frames = []
    for size in struct.unpack(f"<{count}Q", table):
        frame = _read(sock, size)
        if frame is None:
            return None
        frames.append(frame if size > _LARGE else bytes(frame))
    return Record(
        RecordType(kind_of), tuple(frames), job, jobs, kind, status, seconds, grant
    )


def _read(sock: socket.socket, size: int) -> bytearray | None:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        count = sock.recv_into(view[at:])
        if count == 0:
            return None
        at += count
    return data
