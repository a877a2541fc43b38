"""How another thread ends the monitor's wait."""

from __future__ import annotations

import contextlib
import socket
import threading


class Waker:
    """A descriptor that can be read once it was rung for."""

    def __init__(self) -> None:
        self._closed = False
        # A finalizer may cancel a future while this very thread is about to ring.
        self._lock = threading.RLock()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for; -1 once it is closed."""
        return self._reader.fileno()

    def ring(self) -> None:
        """Make it readable. From any thread, at any time, also after the end."""
        with self._lock, contextlib.suppress(BlockingIOError):
            if not self._closed:
                self._writer.send(b"!")

    def clear(self) -> None:
        """Take in that it was rung, once it can be read."""
        self._reader.recv(4096)

    def close(self) -> bool:
        """Close it; return whether it was open."""
        with self._lock:
            was_open, self._closed = not self._closed, True
            self._writer.close()
            self._reader.close()
        return was_open
