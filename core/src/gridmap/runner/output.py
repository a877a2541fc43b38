"""What jobs print: copied to the runner's own output, the last of it kept."""

from __future__ import annotations

import contextlib
import os
from typing import Final

_TAIL_BYTES: Final = 4096


class Output:
    """The end of everything the workers print."""

    def __init__(self) -> None:
        self._tail = b""
        self._fresh = b""

    def drain(self, fd: int, most: int = 1 << 20) -> bool:
        """Copy what can be read; return False when the writing end is closed."""
        taken = 0
        while taken < most:
            try:
                data = os.read(fd, 65_536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            taken += len(data)
            self._keep(data)
        return True

    def _keep(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the runner
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        self._fresh = (self._fresh + data)[-_TAIL_BYTES:]

    def tail(self) -> str:
        """Return the last few thousand characters printed."""
        return self._tail.decode("utf-8", errors="replace")

    def fresh(self) -> str:
        """Return the last of what was printed since this was asked before."""
        data, self._fresh = self._fresh, b""
        return data.decode("utf-8", errors="replace")
