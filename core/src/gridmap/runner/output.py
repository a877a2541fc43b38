"""What jobs print: copied to the runner's own output, the last of it kept.

Which job printed what cannot be seen in a pipe. So a worker that is watched writes a
mark into it before each job, which is taken out here again.

A pipe is left alone for a moment after each look: a worker that prints line by line
would wake its runner for each, which costs more than printing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from typing import Final

_TAIL_BYTES: Final = 4096

_ROOM: Final = 2**20
"""Bytes that a pipe is to hold: what any user may have, pipe(7)."""

_LEAST_ROOM: Final = 2**14
"""What one holds anywhere."""

_REST_S: Final = 0.1
"""Seconds that a pipe is left alone at most."""

_SHARE: Final = 0.25
"""Of a pipe's room, what may come meanwhile."""

# An application's own command, which terminals do not show (ECMA-48, 8.3.2).
_BEGIN: Final = b"\x1b_gridmap:"
_END: Final = b"\x1b\\"
_MARK: Final = re.compile(
    re.escape(_BEGIN) + rb"([0-9]{1,16})" + re.escape(_END)  # a number of JSON's
)
_LONGEST: Final = len(_BEGIN) + 16 + len(_END)


def mark(job: int) -> bytes:
    """Return what a worker writes before a job."""
    return b"%b%d%b" % (_BEGIN, job, _END)


def widen(fd: int) -> int:
    """Have a pipe hold more, if the system lets us; return the bytes that it holds."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return _LEAST_ROOM
    with contextlib.suppress(OSError):  # all pipes of a user are bounded together
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _ROOM)
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


class Output:
    """The end of everything the workers print.

    Attributes:
        job: The job that prints, as far as is known; None if it is not.
    """

    def __init__(self) -> None:
        self.job: int | None = None
        self._looked = self._rest = 0.0
        self._tail = b""
        self._fresh = b""
        self._watched = False
        self._held = b""
        self._pieces: list[tuple[int | None, bytes]] = []

    def watch(self, job: int | None) -> None:
        """Look for marks from now on, and keep what is printed for `pieces`.

        Args:
            job: The job that runs now, whose mark was not written.
        """
        if not self._watched:
            self._watched, self.job = True, job

    def pause(self, now: float) -> float:
        """Return for how many seconds it is not worth looking into the pipe."""
        return max(0.0, self._looked + self._rest - now)

    def drain(self, fd: int, room: int, now: float) -> None:
        """Copy what can be read.

        Args:
            fd: Where it is read; does not block.
            room: Bytes that the pipe holds: as many are read at most, or a little more.
            now: The present.
        """
        taken = 0
        with contextlib.suppress(OSError):
            while taken < room and (data := os.read(fd, 65_536)):
                taken += len(data)
                self.take(data)
        if taken:
            pace = taken / min(max(now - self._looked, 0.001), _REST_S)
            self._rest = min(_REST_S, _SHARE * room / pace)
            self._looked = now

    def take(self, data: bytes) -> None:
        """Take in what was printed."""
        if self._watched:
            data = self._without_marks(data)
        with contextlib.suppress(OSError):  # a full disk must not end the runner
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        self._fresh = (self._fresh + data)[-_TAIL_BYTES:]

    def _without_marks(self, data: bytes) -> bytes:
        """Take out the marks and keep what is between them, by job."""
        data = self._held + data
        at = _begun(data)
        data, self._held = data[:at], data[at:]
        first, *rest = _MARK.split(data)
        if first:
            self._pieces.append((self.job, first))
        for number, printed in zip(rest[::2], rest[1::2], strict=True):
            self.job = int(number)
            if printed:
                self._pieces.append((self.job, printed))
        return b"".join([first, *rest[1::2]])

    def pieces(self) -> list[tuple[int | None, bytes]]:
        """Return what was printed since this was asked before, by job, in order."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def tail(self) -> str:
        """Return the last few thousand characters printed."""
        return self._tail.decode("utf-8", errors="replace")

    def fresh(self) -> str:
        """Return the last of what was printed since this was asked before."""
        data, self._fresh = self._fresh, b""
        return data.decode("utf-8", errors="replace")


def _begun(data: bytes) -> int:
    """Return where a mark begins that has not come as a whole; the end if none has."""
    at = data.rfind(b"\x1b", max(0, len(data) - _LONGEST))
    if at >= 0 and data[at:] == _END[:1] and (start := data.rfind(_BEGIN, 0, at)) >= 0:
        digits = data[start + len(_BEGIN) : at]
        if digits.isdigit() and at - start < _LONGEST:
            return start  # all of it but the last byte
    if at < 0:
        return len(data)
    rest = data[at:]
    whole = _BEGIN[: len(rest)] == rest[: len(_BEGIN)]
    number = rest[len(_BEGIN) :]
    return at if whole and (not number or number.isdigit()) else len(data)
