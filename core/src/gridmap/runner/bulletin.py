"""How far a job says it is, in memory that worker and runner share.

A job may say it in every turn of its innermost loop, so saying costs no more than
writing three numbers; who wants to know reads the last of them.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import mmap

_SAID: Final = struct.Struct("<qdd")
_SAID_AT: Final = 128
_SIZE: Final = struct.Struct("<H")
_SIZE_AT: Final = 160
_TEXT_AT: Final = 162
_MOST_BYTES: Final = 1024
_MOST: Final = 256
"""Characters of a text that are shown."""

_MOST_AMOUNT: Final = 1e300


class Said(NamedTuple):
    """How far a job says it is.

    Attributes:
        done: How much is done.
        total: How much there is to do; None if it does not know.
        text: What it is at, one line.
    """

    done: float
    total: float | None
    text: str


class Bulletin:
    """The place in the shared memory.

    Attributes:
        job: The job that speaks, in the worker.
    """

    def __init__(self, page: mmap.mmap) -> None:
        self.job = -1
        self._page = page
        self._text: str | None = None

    def say(self, done: float, total: float | None, text: str | None) -> None:
        """Write how far the job is; from any of its threads, and forks of it.

        Raises:
            struct.error, OverflowError: If these are no numbers.
        """
        if text is not self._text:
            self._write(text)
        number = math.nan if total is None else total
        _SAID.pack_into(self._page, _SAID_AT, self.job + 1, done, number)

    def _write(self, text: str | None) -> None:
        data = (text or "")[:_MOST].encode("utf-8", errors="replace")[:_MOST_BYTES]
        self._page[_TEXT_AT : _TEXT_AT + len(data)] = data
        _SIZE.pack_into(self._page, _SIZE_AT, len(data))
        self._text = text

    def read(self, job: int) -> Said | None:
        """Return what a job said last; None if it said nothing that has a meaning."""
        before = _SAID.unpack_from(self._page, _SAID_AT)
        speaker, done, total = before
        if speaker != job + 1 or not abs(done) < _MOST_AMOUNT:
            return None
        size = min(_SIZE.unpack_from(self._page, _SIZE_AT)[0], _MOST_BYTES)
        data = self._page[_TEXT_AT : _TEXT_AT + size]
        text = " ".join(data.decode("utf-8", errors="replace").split())
        shown = "".join(c for c in text if c.isprintable())
        known = abs(total) < _MOST_AMOUNT
        return Said(done, total if known else None, shown[:_MOST])


_bulletin: Bulletin | None = None


def install(bulletin: Bulletin) -> None:
    """Say in which place jobs of this process speak."""
    global _bulletin  # noqa: PLW0603 - a worker is a process
    _bulletin = bulletin


def progress(
    done: float, total: float | None = None, text: str | None = None, /
) -> None:
    """Say how far the present job is; to be called by the job, as often as it likes.

    It costs less than a microsecond. Progress bars, `gridmap top` and other watchers
    show what was said last, and a job that says something new is not taken for one
    that stalls. Outside of a job this does nothing. From any thread of the job, and
    from processes it forks.

    Args:
        done: How much is done, in whatever unit.
        total: How much there is to do, in the same; None if that is not known.
        text: What the job is at, a few words; None: nothing.

    Raises:
        TypeError: If these are no numbers and no text.

    Example:
        >>> import gridmap
        >>> def train(epochs):
        ...     for epoch in range(epochs):
        ...         gridmap.progress(epoch, epochs, "training")
        ...     return epochs
        >>> gridmap.grid_map(train, [3], backend="local")
        [3]
    """
    bulletin = _bulletin
    if bulletin is None:
        return
    try:
        bulletin.say(done, total, text)
    except (struct.error, OverflowError, TypeError):
        msg = (
            "gridmap.progress(done, total, text) takes numbers that fit a float, and "
            f"a text: it was given {done!r}, {total!r}, {text!r}"
        )
        raise TypeError(msg) from None
