"""A runner's socket to a monitor of its own user on its own host."""

from __future__ import annotations

import math
import select
import socket
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.connection import UNIX
from gridmap.errors import RunError
from gridmap.transport.counters import Counters
from gridmap.transport.frames import measured
from gridmap.transport.limits import Limits
from gridmap.transport.sockets import Ready
from gridmap.transport.unix import wire
from gridmap.transport.unix.place import same_user
from gridmap.transport.unix.stream import CHUNK_BYTES, Stream, flush_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.transport.frames import Frame

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
"""Between two attempts to connect; each pause is twice the one before."""

_ASIDE: Final = "what listens there belongs to another user"


class UnixRunnerSocket:
    """A `RunnerSocket`; prepare one with `gridmap.transport.runner_socket`."""

    def __init__(
        self,
        connection: ConnectionFile,
        identity: bytes,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Prepare to connect; the arguments are those of `runner_socket`."""
        self.address: str | None = None
        self.disconnected_since: float | None = time.monotonic()
        self.failure: str | None = None
        self._file, self._identity = connection, identity
        # What a monitor sends is its user's, and as much as he likes.
        self._limits = msgspec.structs.replace(
            limits or Limits(),
            message_bytes=sys.maxsize,
            message_frames=wire.MOST_FRAMES,
        )
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._stream: Stream | None = None
        self._arrived: deque[list[Frame]] = deque()
        self._changed = False
        self._pause_s = _FIRST_PAUSE_S
        self._retry_at = math.inf
        self._poller = select.poll()
        self._fds: set[int] = set()

    @property
    def connected(self) -> bool:
        """Whether the monitor's process is there."""
        return self._stream is not None

    def connect(self, patience_s: float = 60.0) -> None:
        """Connect, or go on trying; see `RunnerSocket.connect`."""
        deadline = time.monotonic() + patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            refusals: list[str] = []
            for address in self._file.addresses:
                if self._open(address):
                    self.address = address
                    return
                refusals.append(f"{address}: {self.failure}")
            if time.monotonic() + pause_s >= deadline:
                msg = (
                    f"no monitor answers within {patience_s:g} s "
                    f"({'; '.join(refusals)}). Has the run ended?"
                )
                raise RunError(msg)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def reconnect(
        self, patience_s: float = 60.0, *, connection: ConnectionFile | None = None
    ) -> None:
        """Look for the monitor anew; see `RunnerSocket.reconnect`."""
        self._lose()
        self._arrived.clear()
        self.address = None
        if connection is not None:
            self._file = connection
        self.connect(patience_s)

    def wait(self, timeout_s: float | None, fds: Iterable[int] = ()) -> Ready:
        """Wait until there is something to do; see `RunnerSocket.wait`."""
        self._register(set(fds))
        now = time.monotonic()
        if self.address is not None and self._retry_at <= now:
            self._open(self.address)
        if self._changed or self._arrived:
            timeout_s = 0.0
        deadline = math.inf if timeout_s is None else now + timeout_s
        if self.address is not None:
            deadline = min(deadline, self._retry_at)
        left_s = deadline - now
        wait_ms = None if left_s == math.inf else max(0, math.ceil(left_s * 1000))
        ready = dict(self._poller.poll(wait_ms))
        stream = self._stream
        if stream is not None and (events := ready.pop(stream.fileno(), 0)):
            self._serve(stream, events)
        if self._arrived:  # what was said before the connection was lost
            return Ready(True, False, frozenset(ready))
        changed, self._changed = self._changed, False
        return Ready(False, changed, frozenset(ready))

    def send(self, frames: Sequence[Frame]) -> bool:
        """Send one message; see `RunnerSocket.send`."""
        stream = self._stream
        if stream is None:
            measured(frames, self._limits.frame_bytes)
            return False
        waited = stream.waiting
        sent = stream.send(frames)
        if stream.waiting and not waited:
            self._poller.modify(stream, select.POLLIN | select.POLLOUT)
        return sent

    def receive(self, max_messages: int = 1000) -> list[list[Frame]]:
        """Return the messages that have arrived; see `RunnerSocket.receive`."""
        count = min(max_messages, len(self._arrived))
        return [self._arrived.popleft() for _ in range(count)]

    def close(self, flush_s: float = 5.0) -> None:
        """Close everything. Idempotent; see `RunnerSocket.close`."""
        if self._stream is not None:
            flush_all([self._stream], flush_s)
        self._lose()
        self.address = None

    def _open(self, address: str) -> bool:
        """Connect to an address and greet; say in `failure` why that cannot be."""
        sock = None
        try:
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            sock.connect(address.removeprefix(UNIX))
            self.failure = None if same_user(sock) else _ASIDE
        except OSError as error:
            self.failure = (error.strerror or str(error)).lower()
        if sock is None or self.failure is not None:
            if sock is not None:
                sock.close()
            self._retry_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return False
        self._stream = Stream(sock, self._limits, Counters(), self._buffer)
        self._stream.send([wire.GREETING, self._identity])
        # Who had this descriptor has closed it since the last wait.
        self._fds.discard(self._stream.fileno())
        self._poller.register(self._stream, select.POLLIN)
        self.disconnected_since, self._changed = None, self.address is not None
        self._pause_s, self._retry_at = _FIRST_PAUSE_S, math.inf
        return True

    def _serve(self, stream: Stream, events: int) -> None:
        """Send what waits, take in what was said, and see whether that was the end."""
        if events & select.POLLOUT:
            stream.flush()
            if not stream.waiting:
                self._poller.modify(stream, select.POLLIN)
        if events & ~select.POLLOUT:
            self._arrived += stream.receive(self._limits.queued_messages)
        if stream.ended:
            self._lose()
            self._changed = True

    def _lose(self) -> None:
        """The connection is over; look for the monitor again, if there was one."""
        if self._stream is None:
            return
        self._poller.unregister(self._stream)
        self._stream.close()
        self._stream = None
        self.disconnected_since = time.monotonic()
        self._retry_at = self.disconnected_since + self._pause_s

    def _register(self, fds: set[int]) -> None:
        """Make the poller look at these descriptors and no other."""
        if fds == self._fds:
            return
        for gone in self._fds - fds:
            self._poller.unregister(gone)
        for new in fds - self._fds:
            self._poller.register(new, select.POLLIN)
        self._fds = fds
