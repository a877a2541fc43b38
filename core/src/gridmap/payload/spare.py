"""Descriptors that are kept for what has to be done should there be no others."""

from __future__ import annotations

import contextlib
import os
from typing import Final

_COUNT: Final = 4
"""As many as an import, or a look at other processes, has open at a time."""


class Spare:
    """A few of them. Any thread."""

    def __init__(self) -> None:
        self._kept: list[int] = []

    def keep(self) -> None:
        """Keep them, as far as there are any."""
        with contextlib.suppress(OSError):
            while len(self._kept) < _COUNT:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def let_go(self) -> None:
        """Let whatever comes next have them."""
        while self._kept:
            os.close(self._kept.pop())
