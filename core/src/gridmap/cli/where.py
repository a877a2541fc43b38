"""Where the jobs of a run ran, and when, as far as they are over. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.lifecycle import JobState

if TYPE_CHECKING:
    from gridmap.overview import Overview

_BINS: Final = 32
_BARS: Final = " ▁▂▃▄▅▆▇█"
_UNKNOWN: Final = "unknown"


class Node(msgspec.Struct):
    """What ran on a node.

    Attributes:
        name: Its name; of runners that are forgotten, ``unknown``.
        jobs: Jobs that ended there for good.
        failed: Those that ended badly.
        busy_s: How long they took together.
        bars: How many ran at a time, from the run's beginning to its end.
    """

    name: str
    jobs: int = 0
    failed: int = 0
    busy_s: float = 0.0
    bars: str = ""
    _busy: list[float] = msgspec.field(default_factory=lambda: [0.0] * _BINS)

    def add(self, begin: float, end: float, width_s: float) -> None:
        """Count a job, of which these are the times since the run began."""
        self.jobs += 1
        self.busy_s += end - begin
        first = min(_BINS - 1, int(begin / width_s))
        for place in range(first, min(_BINS - 1, int(end / width_s)) + 1):
            low, high = place * width_s, (place + 1) * width_s
            self._busy[place] += max(0.0, min(end, high) - max(begin, low))

    def draw(self, most: float) -> None:
        """Draw the bars, where so many seconds in a bin are the highest."""
        top = len(_BARS) - 1
        heights = [min(top, math.ceil(top * busy / most)) for busy in self._busy]
        self.bars = "".join(_BARS[height] for height in heights)

    @property
    def highest(self) -> float:
        """Seconds that jobs ran in its busiest bin."""
        return max(self._busy)


def nodes(overview: Overview) -> list[Node]:
    """Return the nodes on which jobs ended, those with the most jobs first."""
    until = overview.ended if overview.ended is not None else overview.at
    took = until - (overview.started or until)
    if took <= 0:
        return []
    width_s = took / _BINS
    names = {number: runner.node for number, runner in overview.runners.items()}
    known: dict[str, Node] = {}
    for job, holder in enumerate(overview.holders):
        end, state = overview.ends[job], overview.states[job]
        if not end or state not in (JobState.DONE, JobState.FAILED):
            continue
        name = names.get(holder) or _UNKNOWN
        node = known.get(name)
        if node is None:
            node = known[name] = Node(name)
        node.failed += state == JobState.FAILED
        node.add(
            max(0.0, min(end, end - overview.seconds[job])), max(0.0, end), width_s
        )
    highest = max((node.highest for node in known.values()), default=0.0)
    for node in known.values():
        node.draw(highest or 1.0)
    return sorted(known.values(), key=lambda node: (-node.jobs, node.name))
