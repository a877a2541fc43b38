"""Memory of this process alone, to be used again once nobody here has it."""

from __future__ import annotations

import contextlib
import mmap
import sys


class Private:
    """Memory of one size, for one use after the other.

    It has pages of 2 MiB where the system gives them to those who ask: to find 25,000 of
    the usual ones takes longer than to copy what goes into them.

    Attributes:
        size: In bytes.
        since: Since when nobody has come for it, on the monotonic clock; None: not
            known yet.
    """

    def __init__(self, size: int) -> None:
        """Make it; all zeros.

        Args:
            size: In bytes, 1 or more.

        Raises:
            OSError: If the system has none to give.
        """
        self.size = size
        self.since: float | None = None
        self._mapping = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel without
                self._mapping.madvise(mmap.MADV_HUGEPAGE)
        self._references = sys.getrefcount(self._mapping)

    def view(self) -> memoryview:
        """Return it for use, with whatever is in it. It outlives this object."""
        return memoryview(self._mapping)

    def free(self) -> bool:
        """Say whether nobody has it, nor a part of it."""
        # Who uses the memory refers to its owner: by a view, as most do, or by itself,
        # as arrays that numpy.ndarray makes of a buffer.
        if sys.getrefcount(self._mapping) > self._references:
            return False
        try:
            # To the size that it has: does nothing, and is refused to a mapping that
            # anybody has a view of.
            self._mapping.resize(self.size)
        except (BufferError, SystemError, ValueError):  # or a system that never does
            return False
        return True
