"""One page of memory that runner and worker share: what the worker is doing now.

Written by the worker round every job, read by the runner at any time, and still there
when the worker is dead: so the runner knows which job a crash belongs to.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Final

_FIELDS: Final = struct.Struct("<qd")
_SIZE: Final = mmap.PAGESIZE


class StatusPage:
    """The page, through a file descriptor that children can inherit."""

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            fd = os.memfd_create("gridmap-status")
            os.ftruncate(fd, _SIZE)
        self.fd = fd
        self._page = mmap.mmap(fd, _SIZE)
        self._doing = 0.0

    def begin(self, job: int) -> None:
        """Say which job starts now."""
        _FIELDS.pack_into(self._page, 0, job + 1, time.monotonic())

    def end(self) -> None:
        """Say that no job is running."""
        _FIELDS.pack_into(self._page, 0, 0, 0.0)

    def read(self) -> tuple[int | None, float]:
        """Return the job being run (None: none) and for how many seconds."""
        job, since = _FIELDS.unpack_from(self._page, 0)
        return (None, 0.0) if job == 0 else (job - 1, time.monotonic() - since)

    def close(self) -> None:
        """Let go of the page."""
        self._page.close()
        os.close(self.fd)
