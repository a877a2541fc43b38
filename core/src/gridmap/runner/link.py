"""The runner's end of the line to its worker: records in and out, never blocking long.

A worker that computes does not read. What cannot be written at once is kept and
written when it reads again, so that the runner goes on beating.
"""

from __future__ import annotations

import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from gridmap.runner import records

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from gridmap.payload.memory import Sealed
    from gridmap.runner.outbox import Outbox

_CHUNK: Final = 1 << 18
"""Bytes that are read at a time: more than a socket of this kind holds."""

_VISIBLE_S: Final = 0.001
"""Far longer than a processor keeps to itself what it has written."""


class _Part(NamedTuple):
    """What is still to be written, and the memory to hand over with its first byte."""

    view: memoryview
    apart: tuple[Sealed, ...] = ()


class Link:
    """The line to one worker."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = records.Reader()
        self._buffer = memoryview(bytearray(_CHUNK))
        self._pending: deque[_Part] = deque()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._pending)

    def send(self, record: records.Record) -> None:
        """Write a record, now as far as the worker takes it, the rest later."""
        apart = records.put_apart(record)
        first, *rest = records.pack(record, apart)
        self._pending.append(_Part(memoryview(first), apart.memories))
        self._pending.extend(_Part(memoryview(part).cast("B")) for part in rest)
        self.flush(0.0)

    def flush(self, patience_s: float) -> None:
        """Write what is waiting, for as long as the worker keeps reading.

        Args:
            patience_s: How long to wait for it at a time.
        """
        while self._pending:
            view, apart = self._pending[0]
            try:
                sent = records.send_with(self._sock, view, apart)
            except BlockingIOError:
                if not select.select([], [self._sock], [], patience_s)[1]:
                    return
            except (BrokenPipeError, ConnectionResetError):
                self._pending.clear()  # nobody reads it: its end is told elsewhere
            else:
                if sent == len(view):
                    self._pending.popleft()
                else:
                    self._pending[0] = _Part(view[sent:])

    def withdraw(self, outbox: Outbox) -> int | None:
        """Take back what the worker has not begun; return what it is at.

        It says which job it begins and then looks whether it may; here it is said that
        it may not, and then looked which one it has begun. Between the two enough time
        passes for each side's memory to have become visible to the other, so that what
        is behind that job will not be begun. Whether the job itself was, the worker
        tells when it reads the mark.
        """
        outbox.halt(True)
        self.send(records.Record(records.RecordType.MARK))
        time.sleep(_VISIBLE_S)
        return outbox.doing()[0]

    def receive(self, *, rest: bool = False) -> Iterator[records.Record]:
        """Yield the records that have arrived whole.

        Args:
            rest: Whether to go on to the end; else there may be more, of which the next
                poll tells.
        """
        while True:
            try:
                size, ancillary, flags, _ = self._sock.recvmsg_into(
                    [self._buffer], records.ROOM, records.CLOEXEC
                )
            except (BlockingIOError, ConnectionResetError):
                return
            if not size:
                return
            apart = records.received(ancillary, flags)
            yield from self._reader.feed(self._buffer[:size], apart)
            # That was all, most likely; not where memory came along, with which the
            # kernel ends what it hands out at a time.
            if size < _CHUNK and not apart and not rest:
                return
