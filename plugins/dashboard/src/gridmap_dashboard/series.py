"""Numbers over time in bounded memory: what is too fine is made coarser.

Times are seconds since a run began.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BINS: Final = 240
"""Bins of a histogram over time; where there would be more, each gets twice as long."""


@attrs.define
class Bins:
    """How much happened when, in at most `MOST_BINS` bins of equal length.

    Attributes:
        width_s: Length of a bin, seconds.
        counts: How much fell into each, from the beginning.
    """

    width_s: float = 1.0
    counts: list[float] = attrs.field(factory=list)

    def add(self, at: float, count: float) -> None:
        """Count what happened at a time."""
        while (place := int(max(0.0, at) / self.width_s)) >= MOST_BINS:
            self._coarsen()
        if place >= len(self.counts):
            self.counts += [0.0] * (place + 1 - len(self.counts))
        self.counts[place] += count

    def _coarsen(self) -> None:
        even, odd = self.counts[::2], [*self.counts[1::2], 0.0]
        self.counts = [a + b for a, b in zip(even, odd, strict=False)]
        self.width_s *= 2

    def recent(self, now: float, span_s: float) -> float:
        """Return how much happened a second, lately.

        Args:
            now: The time.
            span_s: How far to look back; at least two bins are looked at.
        """
        span = max(span_s, 2 * self.width_s)
        first = max(0, int((now - span) / self.width_s))
        length = now - first * self.width_s
        return sum(self.counts[first:]) / length if length > 0 else 0.0


@attrs.frozen
class Point:
    """What a heartbeat said.

    Attributes:
        at: When.
        cores: Processor seconds a second since the one before.
        rss: Bytes held.
        job: The job that ran; -1 if none did.
    """

    at: float
    cores: float
    rss: float
    job: int


class Readings:
    """Heartbeats of one lane, of which half are forgotten where there are too many."""

    def __init__(self) -> None:
        self._at = array("f")
        self._cores = array("f")
        self._rss = array("f")
        self._job = array("q")
        self._every_s = 0.0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._at)

    def __iter__(self) -> Iterator[Point]:
        """Yield those that are kept, in order."""
        rows = zip(self._at, self._cores, self._rss, self._job, strict=True)
        return (Point(*row) for row in rows)

    def add(self, point: Point, most: int) -> None:
        """Take one in.

        Args:
            point: The heartbeat.
            most: How many to keep.
        """
        soon = bool(self._at) and point.at - self._at[-1] < self._every_s
        if soon and self._job[-1] == point.job:
            # Too soon for a point of its own: the higher of both is what is shown.
            self._cores[-1] = max(self._cores[-1], point.cores)
            self._rss[-1] = max(self._rss[-1], point.rss)
            return
        self._at.append(point.at)
        self._cores.append(point.cores)
        self._rss.append(point.rss)
        self._job.append(point.job)
        if len(self._at) > most:
            self._halve()

    def _halve(self) -> None:
        span = self._at[-1] - self._at[0]
        self._every_s = max(2 * self._every_s, 2 * span / len(self._at))
        keep = slice(len(self._at) % 2, None, 2)
        self._at, self._job = self._at[keep], self._job[keep]
        self._cores, self._rss = self._cores[keep], self._rss[keep]
