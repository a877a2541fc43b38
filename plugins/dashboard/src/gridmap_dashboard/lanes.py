"""The timeline: who was busy when, by node.

A node has as many lanes as it ever had runners at the same time; a runner takes a free
one. So a run whose every job has a runner of its own fits the screen too.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from gridmap.overview import Readings

MOST_SEGMENTS: Final = 60_000
"""Pieces of all lanes together; see `Lane.add`."""


class Kind(enum.IntEnum):
    """What a piece of a lane shows. The worse of two hides the other."""

    DONE = 0
    RETRIED = 1
    FAILED = 2


@attrs.frozen
class Segment:
    """A time in which a runner was busy.

    Attributes:
        start: Seconds since the run began.
        end: Likewise.
        kind: What came of it.
        first: A job that ran in it.
        jobs: How many did.
    """

    start: float
    end: float
    kind: Kind
    first: int
    jobs: int


@attrs.define(eq=False)
class Lane:
    """One place on a node where a runner can be.

    Attributes:
        number: Its number in the run.
        node: The node.
        runner: The runner that is there; None if none is.
        segments: What it was busy with, in order.
        readings: Its heartbeats.
    """

    number: int
    node: str
    runner: int | None = None
    segments: list[Segment] = attrs.field(factory=list)
    readings: Readings = attrs.field(factory=Readings)
    gap_s: float = 0.0

    def add(self, segment: Segment, most: int) -> None:
        """Put a piece at the end; where there are too many, neighbours grow together.

        Args:
            segment: The piece.
            most: How many pieces the lane may have.
        """
        pieces = self.segments
        if pieces and _near(pieces[-1], segment, self.gap_s):
            pieces[-1] = _join(pieces[-1], segment)
        else:
            pieces.append(segment)
        while len(pieces) > most:
            self.gap_s = max(2 * self.gap_s, (segment.end - pieces[0].start) / 4096)
            pieces = self.segments = _joined(pieces, self.gap_s)


def _near(one: Segment, two: Segment, gap_s: float) -> bool:
    if two.start - one.end > gap_s:
        return False
    short = one.end - one.start <= gap_s or two.end - two.start <= gap_s
    return gap_s > 0 and (short or one.kind == two.kind)


def _join(one: Segment, two: Segment) -> Segment:
    return Segment(
        start=one.start,
        end=max(one.end, two.end),
        kind=max(one.kind, two.kind),
        first=two.first if two.kind > one.kind else one.first,
        jobs=one.jobs + two.jobs,
    )


def _joined(segments: list[Segment], gap_s: float) -> list[Segment]:
    joined = segments[:1]
    for segment in segments[1:]:
        if _near(joined[-1], segment, gap_s):
            joined[-1] = _join(joined[-1], segment)
        else:
            joined.append(segment)
    return joined


@attrs.define
class Lanes:
    """All lanes of a run."""

    lanes: list[Lane] = attrs.field(factory=list)
    _free: dict[str, list[int]] = attrs.field(factory=dict)

    def take(self, node: str, runner: int) -> Lane:
        """Return the lane of a runner that has come up on a node."""
        free = self._free.get(node)
        if free:
            lane = self.lanes[free.pop()]
        else:
            lane = Lane(number=len(self.lanes), node=node)
            self.lanes.append(lane)
        lane.runner = runner
        return lane

    def leave(self, lane: Lane) -> None:
        """Let go of a lane whose runner is gone."""
        lane.runner = None
        self._free.setdefault(lane.node, []).append(lane.number)

    def share(self, total: int) -> int:
        """Return how many of *total* things one lane may keep."""
        return max(24, min(240, total // max(1, len(self.lanes))))
