"""One connection: messages out and in. Nothing here ever waits.

What the other side does not read is kept, up to a bound, and sent when it does.
"""

from __future__ import annotations

import errno
import itertools
import math
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gridmap.errors import RemoteProtocolError
from gridmap.transport.frames import measured
from gridmap.transport.limits import LARGE_FRAME_BYTES
from gridmap.transport.unix import wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from gridmap.transport.counters import Counters
    from gridmap.transport.frames import Frame
    from gridmap.transport.limits import Limits

CHUNK_BYTES: Final = 1 << 18
"""Read at a time: more than the kernel keeps for a connection, unless told to."""

_MOST_PARTS: Final = 1000
"""Fewer than the kernel takes in one call: IOV_MAX is 1,024."""

_LATER: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM}
"""The other side does not read, or the kernel has no memory to keep it in."""

_NUMBERS: Final = itertools.count(1)


class Stream:
    """The connection to one peer; used from one thread.

    Attributes:
        number: A number that no other connection of this process ever has.
        peer: Routing id of the other side, once it has said it; a monitor has none.
        ended: Whether the other side has closed it, or said what is no message; what
            it had said before has been received.
    """

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        counters: Counters,
        buffer: memoryview,
    ) -> None:
        """Speak on a connected socket, which is closed with this.

        Args:
            sock: It.
            limits: What a message may have, and how many may wait.
            counters: Where to count what is turned away.
            buffer: Where to read; others may use it as well.
        """
        sock.setblocking(False)
        self.number = next(_NUMBERS)
        self.peer: bytes | None = None
        self.ended = False
        self._sock, self._limits, self._buffer = sock, limits, buffer
        self._reader = wire.Reader(limits, counters)
        self._waiting: deque[list[memoryview]] = deque()

    def fileno(self) -> int:
        """Return its descriptor, -1 once it is closed."""
        return self._sock.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent: call `flush` when it can be."""
        return bool(self._waiting)

    def send(self, frames: Sequence[Frame]) -> bool:
        """Send a message, now as far as the other side takes it, the rest later.

        Args:
            frames: At least one; large ones are not copied, so they must not be
                changed afterwards.

        Returns:
            Whether it is on its way; False if too much waits already. It may still be
            lost with the connection.

        Raises:
            LocalProtocolError: If there is no frame, or one is too long.
        """
        lengths = measured(frames, self._limits.frame_bytes)
        parts = [wire.head(lengths), *frames]
        size = 0
        if len(self._waiting) >= self._limits.queued_messages:
            return False
        if not self._waiting and len(parts) <= _MOST_PARTS:
            size = self._put(parts)
        if size < len(parts[0]) + sum(lengths):
            self._waiting.append(_rest([_lasting(part) for part in parts], size))
        return True

    def flush(self) -> None:
        """Send what waits, as far as the other side takes it."""
        while self._waiting:
            parts = self._waiting[0][:_MOST_PARTS]
            size = self._put(parts)
            rest = _rest(parts, size) + self._waiting[0][_MOST_PARTS:]
            if not rest:
                self._waiting.popleft()
            elif not size:
                return
            else:
                self._waiting[0] = rest

    def receive(self, most: int) -> list[list[Frame]]:
        """Return what has arrived whole, oldest first; then see whether it `ended`.

        Args:
            most: About how many messages to stop after.
        """
        messages: list[list[Frame]] = []
        while not self.ended and len(messages) < most:
            room = self._reader.room()
            into = self._buffer if room is None else room
            try:
                size = self._sock.recv_into(into)
                if room is None:
                    messages += self._reader.feed(into[:size])
                else:
                    messages += self._reader.filled(size)
            except BlockingIOError:
                break
            except (OSError, RemoteProtocolError):
                size = 0
            self.ended = not size
            if size < len(into):
                break  # that was all, most likely; if not, poll says so at once
        return messages

    def close(self) -> None:
        """Close it; what was sent and has left this process will still be received."""
        self._waiting.clear()
        self._sock.close()

    def _put(self, parts: Sequence[Frame]) -> int:
        """Hand what can be to the kernel; return how many bytes it took."""
        try:
            return self._sock.sendmsg(parts)
        except (BrokenPipeError, ConnectionResetError):
            # Nobody will read it. What he said before is still to be received.
            return sum(memoryview(part).nbytes for part in parts)
        except OSError as error:
            if error.errno not in _LATER:
                raise
            return 0


def flush_all(streams: Sequence[Stream], patience_s: float) -> None:
    """Send what waits for any of these, as far as they read in time."""
    deadline = time.monotonic() + patience_s
    while waiting := [stream for stream in streams if stream.waiting]:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return
        poller = select.poll()
        for stream in waiting:
            poller.register(stream, select.POLLOUT)
        poller.poll(math.ceil(left_s * 1000))
        for stream in waiting:
            stream.flush()


def _lasting(part: Frame) -> memoryview:
    """Return what stays as it is though whoever made it goes on."""
    if type(part) is not bytes and memoryview(part).nbytes >= LARGE_FRAME_BYTES:
        return memoryview(part).cast("B")
    return memoryview(bytes(part))


def _rest(parts: Sequence[memoryview], size: int) -> list[memoryview]:
    """Return what is left of these when so many bytes are gone."""
    left: list[memoryview] = []
    for part in parts:
        if size < len(part):
            left.append(part[size:])
        size = max(0, size - len(part))
    return left
