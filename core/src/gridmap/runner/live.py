"""What a watched runner shows between its heartbeats, and how much of it. Pure.

What jobs print is bounded where it is printed: a job that prints without end costs its
runner, the network and the one who watches no more than one message a period.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 16 * 1024
"""Of what was printed, in one message."""

MOST_PIECES: Final = 256

_NEVER: Final = float("inf")


class Live:
    """What is to be said to those who watch.

    Attributes:
        output: Whether what jobs print is wanted.
    """

    def __init__(self) -> None:
        self.output = False
        self._period = 0.0
        self._told = -_NEVER
        self._printed: list[m.Printed] = []
        self._size = 0
        self._lost = 0
        self._progress: tuple[int, m.Progress] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._job: int | None = None

    def watch(self, watch: m.Watch) -> None:
        """Somebody looks, or looks no more."""
        self._period = watch.period
        self.output = watch.output and watch.period > 0
        self._progress = None  # who comes now has heard nothing of it
        if not self.output:
            self._forget()

    def _forget(self) -> None:
        self._printed, self._size, self._lost = [], 0, 0

    def printed(self, job: int | None, data: bytes) -> None:
        """Take in what was printed."""
        if not self.output:
            return
        if job != self._job:
            self._put(self._job, self._decoder.decode(b"", final=True))
            self._job = job
        room = MOST_BYTES - self._size
        taken, left = data[:room], data[room:]
        if self._lost or len(self._printed) >= MOST_PIECES:
            taken, left = b"", data
        self._size += len(taken)
        self._lost += len(left)
        self._put(job, self._decoder.decode(taken))
        if left:
            self._decoder.reset()

    def _put(self, job: int | None, text: str) -> None:
        if not text:
            return
        last = self._printed[-1] if self._printed else None
        if last is not None and last.job == job:
            self._printed[-1] = m.Printed(job=job, text=last.text + text)
        else:
            self._printed.append(m.Printed(job=job, text=text))

    def due(self, now: float) -> bool:
        """Whether something may be said now, if there is something."""
        return self._period > 0 and now >= self._told + self._period

    def pause(self, now: float) -> float:
        """Return for how many seconds nothing will be said for its own sake."""
        if not self._printed and not self._lost:
            return _NEVER
        return max(0.0, self._told + self._period - now)

    def messages(
        self,
        job: int | None,
        progress: m.Progress | None,
        now: float,
        *,
        last: bool = False,
    ) -> Iterator[m.Live]:
        """Yield what is to be said now: nothing, or one message.

        Args:
            job: The job being run; None if none.
            progress: How far it says it is.
            now: The present.
            last: Whether it is said whatever the time: nothing will follow.
        """
        if not (last and self._period > 0) and not self.due(now):
            return
        news = None
        if job is not None and progress is not None:
            news = None if self._progress == (job, progress) else progress
        if last:
            self._put(self._job, self._decoder.decode(b"", final=True))
        if news is None and not self._printed and not self._lost:
            return
        if job is not None and news is not None:
            self._progress = (job, news)
        self._told = now
        yield m.Live(
            job=job, progress=news, printed=tuple(self._printed), lost=self._lost
        )
        self._forget()
