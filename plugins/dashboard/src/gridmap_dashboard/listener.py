"""What a job prints, as it prints it, for a page that looks at it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap import events as ev
from gridmap.control.client import Control
from gridmap.display.printed import shown
from gridmap.errors import GridMapError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LINES: Final = 1000
"""Lines that wait for a page; of more, the latest."""
_LONGEST: Final = 4096
"""Characters of a line; the rest of it is the next one."""


@attrs.define
class Transcript:
    """Lines that wait to be shown, and the one that has only begun. Pure.

    Attributes:
        lines: Whole lines, without their ends, as they may be shown.
        begun: The line whose end was not printed yet, as it came.
        lost: Lines that were too many, since they were last taken.
    """

    lines: list[str] = attrs.field(factory=list)
    begun: str = ""
    lost: int = 0
    _new: bool = True

    def add(self, text: str, lost_bytes: int = 0) -> None:
        """Take in a piece of what was printed, and how much was left out after it."""
        *whole, begun = (self.begun + text).split("\n")
        while len(begun) > _LONGEST and "\r" not in begun:
            whole.append(begun[:_LONGEST])
            begun = begun[_LONGEST:]
        self.begun = begun[-_LONGEST:]
        if lost_bytes:
            whole += [self.begun] if self.begun else []
            whole.append(f"({lost_bytes:,} bytes more)")
            self.begun = ""
        self.lines += [shown(line[-_LONGEST:]) for line in whole]
        if (many := len(self.lines) - MOST_LINES) > 0:
            del self.lines[:many]
            self.lost += many
        self._new = True

    def take(self) -> dict[str, Any] | None:
        """Return what is new, as plain data; None if nothing is."""
        if not self._new:
            return None
        taken = {"lines": self.lines, "begun": shown(self.begun), "lost": self.lost}
        self.lines, self.lost, self._new = [], 0, False
        return taken


class Listener:
    """Hears what one job prints from now on, at its run's control socket.

    Jobs tell of what they print for as long as somebody listens. Its methods may be
    called from any thread.

    Args:
        token: The run's token.
        job: The job.

    Raises:
        GridMapError: If the run is over, or is not on this host.
    """

    def __init__(self, token: str, job: int) -> None:
        self._job = job
        self._transcript = Transcript()
        self._lock = threading.Lock()
        with contextlib.ExitStack() as undo:
            self._control = undo.enter_context(Control(token))
            events = self._control.follow(output=True)
            undo.pop_all()
        self._thread = threading.Thread(
            target=self._run, args=(events,), name="gridmap-listener", daemon=True
        )
        self._thread.start()

    def _run(self, events: Iterator[ev.Event]) -> None:
        with self._control, contextlib.suppress(GridMapError, OSError):
            for event in events:
                if isinstance(event, ev.JobOutput) and event.job == self._job:
                    with self._lock:
                        self._transcript.add(event.text, event.lost)

    def take(self) -> dict[str, Any] | None:
        """Return what was printed since it was last asked; None if nothing was.

        The first answer is never None: it says that somebody listens.
        """
        with self._lock:
            return self._transcript.take()

    def wait(self, patience_s: float) -> None:
        """Return when all is heard, the run being over; or after so long."""
        self._thread.join(patience_s)

    def close(self) -> None:
        """Listen no more."""
        self._control.hang_up()
