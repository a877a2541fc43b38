"""Numbers over time in bounded memory: what is too fine is made coarser.

Times are seconds since a run began.
"""

from __future__ import annotations

from typing import Final

import attrs

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
