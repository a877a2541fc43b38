"""The log of commands that GNU parallel's users know, and what is still to be run.

A heading, then a line a command, in the order in which they ended: number, host, start
(seconds since the epoch), seconds it took, two columns that are 0, exit status, signal
and the command, between tabs (parallel(1), ``--joblog``).
"""

from __future__ import annotations

import shlex
import threading
from typing import TYPE_CHECKING, Final, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.shell import Ended

HEADING: Final = (
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
)
LOST: Final = 255
"""Exit status of a command of which nobody knows one: its verdict says why."""

_COLUMNS: Final = 9
_SHELL: Final = ("/bin/sh", "-c")


class Line(msgspec.Struct, frozen=True):
    """A line of the log.

    Attributes:
        number: Which command it was, from 1.
        failed: Whether it ended with a status other than 0, or by a signal.
        command: The command, for a shell.
    """

    number: int
    failed: bool
    command: str


def read(text: str) -> list[Line]:
    """Return the lines of a log, the last of each command.

    Raises:
        ValueError: If it is no such log; says which line.
    """
    found: dict[int, Line] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line == HEADING or not line:
            continue
        cells = line.split("\t", _COLUMNS - 1)
        try:
            seq, status, signal = int(cells[0]), int(cells[6]), int(cells[7])
            found[seq] = Line(seq, bool(status or signal), cells[8])
        except (ValueError, IndexError):
            msg = f"line {number} is not of a job log: {line[:80]!r}"
            raise ValueError(msg) from None
    return list(found.values())


def command_line(call: Sequence[str]) -> str:
    """Return a command as a shell would take it."""
    if tuple(call[:2]) == _SHELL:
        return call[2]
    return shlex.join(call)


def from_line(command: str) -> list[str]:
    """Return the command of a line of the log."""
    return [*_SHELL, command]


def left(count: int, lines: Iterable[Line], *, failed_too: bool) -> list[int]:
    """Return the numbers of commands that are still to be run.

    Args:
        count: How many commands there are.
        lines: The log.
        failed_too: Whether those that failed are run again.
    """
    over = {line.number for line in lines if not (failed_too and line.failed)}
    return [number for number in range(1, count + 1) if number not in over]


class JobLog:
    """A log that is being written, from any thread; each line is there at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        if not stream.tell():
            self._write(HEADING)

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def add(self, number: int, call: Sequence[str], ended: Ended | None) -> None:
        """Note the end of a command; None: only its verdict is known."""
        host, began, took, status = ("", 0.0, 0.0, LOST)
        if ended is not None:
            host, began, took = ended.node, ended.began, ended.seconds
            status = ended.status
        cells = (
            number, host, f"{began:.3f}", f"{took:10.3f}", 0, 0, max(status, 0),
            max(-status, 0), command_line(call),
        )  # fmt: skip
        self._write("\t".join(map(str, cells)))
