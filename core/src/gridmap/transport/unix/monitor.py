"""The monitor's socket for runners of its own user on its own host.

::

    runners ──Unix socket──▶ one Stream each ──┐
    new ones ──────────────▶ listening socket ─┼─▶ poll() ─▶ receive(), disconnected()
        wake() from another thread ────────────┘
"""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gridmap.connection import UNIX
from gridmap.transport.counters import Counters
from gridmap.transport.limits import Limits
from gridmap.transport.sockets import Received, Wakeup
from gridmap.transport.unix import wire
from gridmap.transport.unix.place import listen, same_user
from gridmap.transport.unix.stream import CHUNK_BYTES, Stream, flush_all
from gridmap.transport.waker import Waker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gridmap.transport.frames import Frame

_PAUSE_S: Final = 0.5
"""How long nobody is let in once the system has no descriptor left."""

_MOST_ARRIVED: Final = 1000
"""Messages kept for `receive`; beyond that the rest waits in the kernel."""

_MOST_AT_ONCE: Final = 100
"""About as many messages are taken in from one peer before the next one's turn."""

_IN_OR_OUT: Final = select.POLLIN | select.POLLOUT


class UnixMonitorSocket:
    """A `MonitorSocket` in a directory of this user's."""

    def __init__(self, directory: Path, *, limits: Limits | None = None) -> None:
        """Listen.

        Args:
            directory: A directory of ours, mode 0700. Where the path is too long
                for a Unix socket, or its file system has none, a short private
                directory in the system's temporary one is used and removed later.
            limits: Bounds on peers; None takes the defaults.

        Raises:
            RunError: If no socket can be bound.
        """
        self._listening, self._path, self._short_directory = listen(directory)
        self.addresses: tuple[str, ...] = (f"{UNIX}{self._path}",)
        self.counters = Counters()
        self._limits = limits or Limits()
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._streams: dict[int, Stream] = {}  # by descriptor
        self._stream_of: dict[bytes, Stream] = {}  # by peer; of those that have greeted
        self._arrived: deque[Received | bytes] = deque()  # messages, and who is gone
        self._gone: list[bytes] = []
        self._resume_at = math.inf
        self._waker = Waker()
        self._poller = select.poll()
        self._poller.register(self._waker, select.POLLIN)
        self._poller.register(self._listening, select.POLLIN)

    @property
    def message_bytes(self) -> int:
        """The longest message that is taken in, all frames together."""
        return self._limits.message_bytes

    def poll(self, timeout_s: float | None) -> Wakeup:
        """Wait until there is something to do; see `MonitorSocket.poll`."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            now = time.monotonic()
            if self._arrived or self._gone:
                deadline = now
            if self._resume_at <= now:
                self._resume_at = math.inf
                self._poller.register(self._listening, select.POLLIN)
            left_s = min(deadline, self._resume_at) - now
            wait_ms = None if left_s == math.inf else max(0, math.ceil(left_s * 1000))
            woken = self._look(wait_ms)
            reasons = Wakeup(bool(self._arrived), bool(self._gone), woken)
            if reasons or time.monotonic() >= deadline:
                return reasons

    def receive(self, max_messages: int = 1000) -> list[Received]:
        """Return the messages that have arrived; see `MonitorSocket.receive`."""
        received: list[Received] = []
        while self._arrived and len(received) < max_messages:
            entry = self._arrived.popleft()
            if isinstance(entry, Received):
                received.append(entry)
            elif entry not in self._stream_of:  # else it is back by now
                self._gone.append(entry)
        return received

    def send(self, peer: bytes, frames: Sequence[Frame]) -> bool:
        """Send a message to a peer; see `MonitorSocket.send`."""
        stream = self._stream_of.get(peer)
        if stream is None:
            self.counters.unreachable += 1
            return False
        waited = stream.waiting
        if not stream.send(frames):
            self.counters.backlogged += 1
            return False
        if stream.waiting and not waited:
            self._poller.modify(stream, _IN_OR_OUT)
        return True

    def wake(self) -> None:
        """Make `poll` return in the monitor's thread. For any thread, at any time."""
        self._waker.ring()

    def disconnected(self) -> list[bytes]:
        """Return who is gone; see `MonitorSocket.disconnected`."""
        gone, self._gone = self._gone, []
        return list(dict.fromkeys(gone))

    def close(self, linger_s: float = 1.0) -> None:
        """Close everything. Idempotent; see `MonitorSocket.close`."""
        if not self._waker.close():
            return
        self._listening.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        flush_all(list(self._streams.values()), linger_s)
        for stream in self._streams.values():
            stream.close()
        if self._short_directory is not None:
            with contextlib.suppress(OSError):
                self._short_directory.rmdir()

    def _look(self, wait_ms: int | None) -> bool:
        """Wait once and serve whoever is there; return whether another thread woke us."""
        woken, full = False, len(self._arrived) >= _MOST_ARRIVED
        for descriptor, events in self._poller.poll(wait_ms):
            stream = self._streams.get(descriptor)
            if stream is not None:
                if events & select.POLLOUT:
                    self._flush(stream)
                if events & ~select.POLLOUT and not full:
                    self._take_in(stream)
            elif descriptor == self._listening.fileno():
                self._let_in()
            elif descriptor == self._waker.fileno():
                self._waker.clear()
                woken = True
        return woken

    def _flush(self, stream: Stream) -> None:
        """Send what waits for a peer."""
        stream.flush()
        if not stream.waiting:
            self._poller.modify(stream, select.POLLIN)

    def _take_in(self, stream: Stream) -> None:
        """Take in what a peer has said, and see whether that was the end."""
        messages = stream.receive(_MOST_AT_ONCE)
        if stream.peer is None and messages:
            self._greet(stream, messages.pop(0))
        peer, number = stream.peer, stream.number
        if peer is not None:
            self._arrived += [Received(peer, frames, number) for frames in messages]
            if stream.ended:
                del self._stream_of[peer]
                self._arrived.append(peer)
        if stream.ended:
            self._drop(stream)

    def _greet(self, stream: Stream, frames: list[Frame]) -> None:
        """Learn who this is; one that was known by that name before is replaced."""
        if frames[0] != wire.GREETING or len(frames) == 1:
            self.counters.malformed += 1
            stream.ended = True
            return
        stream.peer = bytes(frames[1])
        old = self._stream_of.get(stream.peer)
        if old is not None:
            self._drop(old)
        self._stream_of[stream.peer] = stream

    def _drop(self, stream: Stream) -> None:
        """Close a connection."""
        self.counters.disconnected += 1
        self._poller.unregister(stream)
        del self._streams[stream.fileno()]
        stream.close()

    def _let_in(self) -> None:
        """Accept all who wait, of this user."""
        while True:
            try:
                peer, _ = self._listening.accept()
            except BlockingIOError:
                return
            except OSError:
                # No descriptor is left, and he who waits makes poll return at once.
                self.counters.accept_failed += 1
                self._poller.unregister(self._listening)
                self._resume_at = time.monotonic() + _PAUSE_S
                return
            if not same_user(peer):
                self.counters.accept_failed += 1
                peer.close()
                continue
            self.counters.accepted += 1
            stream = Stream(peer, self._limits, self.counters, self._buffer)
            self._streams[stream.fileno()] = stream
            self._poller.register(stream, select.POLLIN)
