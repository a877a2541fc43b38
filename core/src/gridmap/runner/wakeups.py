"""What wakes a runner's loop: signals, children that end, and its own threads."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)


class Wakeups:
    """A descriptor that can be read when there is something to look at.

    Attributes:
        fd: It.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self.fd = self._reader.fileno()
        self._signals: list[int] = []

    def catch(self, warnings: Iterable[int]) -> None:
        """Have signals and the ends of children wake the loop, in this main thread.

        Args:
            warnings: Numbers of signals by which a scheduler warns.
        """
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in {*_ENDING, *warnings}:
            signal.signal(number, lambda number, _: self._signals.append(number))

    def rouse(self) -> None:
        """Wake the loop; from any thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._writer.send(b"!")

    def clear(self) -> None:
        """Take in that it was woken."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def next_signal(self) -> signal.Signals | None:
        """Return the signal that came first and was not returned; None if none was."""
        return signal.Signals(self._signals.pop(0)) if self._signals else None
