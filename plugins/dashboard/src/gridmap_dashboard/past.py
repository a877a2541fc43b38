"""The timeline of a run that was not watched, made of its overview. Pure.

An overview knows of each job when it ended, how long it took and who ran it: of its
last attempt, that is. For a hundred thousand jobs this takes a second.
"""

from __future__ import annotations

import itertools
from array import array
from typing import TYPE_CHECKING, Final

from gridmap.lifecycle import JobState
from gridmap_dashboard.lanes import MOST_SEGMENTS, Kind, Segment
from gridmap_dashboard.timeline import (
    CAUSES,
    MOST_READINGS,
    Detail,
    Timeline,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.overview import Overview
    from gridmap_dashboard.lanes import Lane

_NEARLY_S: Final = 0.002
"""Times are kept as 32-bit floats."""
_KINDS: Final[dict[int, Kind]] = {
    JobState.DONE: Kind.DONE,
    JobState.FAILED: Kind.FAILED,
}
_UNKNOWN: Final = "unknown"
"""The node of runners that are forgotten, since there were so many."""


def rebuild(timeline: Timeline, overview: Overview) -> None:
    """Fill a timeline with what an overview knows of the time before.

    Args:
        timeline: One that is empty; it can take in what follows.
        overview: What is known of the run.
    """
    timeline.began = overview.started or overview.at
    timeline.grow(overview.total)
    pieces: dict[int, list[Segment]] = {}
    for runner, piece in _pieces(overview):
        pieces.setdefault(runner, []).append(piece)
        if piece.kind is Kind.DONE:
            timeline.count(piece.end, piece.end - piece.start, piece.jobs)
    timeline.job_ends[:] = overview.ends
    _place(timeline, overview, pieces)
    _grant(timeline, overview)
    _explain(timeline, overview)


def _pieces(overview: Overview) -> Iterator[tuple[int, Segment]]:
    """Yield when runners were busy: jobs one after another are one piece."""
    runner, piece = -1, None
    states, ends, seconds = overview.states, overview.ends, overview.seconds
    for job, holder in enumerate(overview.holders):
        end = ends[job]
        kind = _KINDS.get(states[job]) if end else None
        if kind is None:
            continue
        start = max(0.0, end - seconds[job])
        if (
            piece is not None
            and (runner, piece.kind, piece.first + piece.jobs) == (holder, kind, job)
            and kind is Kind.DONE
            and abs(start - piece.end) < _NEARLY_S
        ):
            piece = Segment(piece.start, end, kind, piece.first, piece.jobs + 1)
            continue
        if piece is not None:
            yield runner, piece
        runner, piece = holder, Segment(start, end, kind, job, 1)
    if piece is not None:
        yield runner, piece


def _place(
    timeline: Timeline, overview: Overview, pieces: dict[int, list[Segment]]
) -> None:
    """Give each runner a lane, for as long as it was there."""
    now = timeline.since(overview.at)
    over = overview.ended is not None
    up = {} if over else {runner.number: runner for runner in overview.up}
    for each in pieces.values():
        each.sort(key=lambda piece: piece.start)
    begins = dict.fromkeys(up, now) | {
        number: each[0].start for number, each in pieces.items()
    }
    leaving: list[tuple[float, Lane]] = []
    for number in sorted(begins, key=lambda number: begins[number]):
        for end, lane in leaving:
            if end <= begins[number] + _NEARLY_S:
                timeline.lanes.leave(lane)
        leaving = [one for one in leaving if one[0] > begins[number] + _NEARLY_S]
        known = overview.runners.get(number)
        lane = timeline.lanes.take(known.node if known else _UNKNOWN, number)
        for piece in pieces.get(number, ()):
            lane.add(piece, timeline.lanes.share(MOST_SEGMENTS))
            stop = piece.first + piece.jobs
            lanes = array("i", (lane.number,)) * piece.jobs
            timeline.job_lanes[piece.first : stop] = lanes
        for point in overview.readings.get(number, ()):
            lane.readings.add(point, timeline.lanes.share(MOST_READINGS))
        if number in up:
            began = up[number].job_since
            since = now if began is None else timeline.since(began)
            timeline.visits[number] = Visit(lane=lane, since=since)
        else:
            leaving.append((pieces[number][-1].end, lane))
    for _, lane in leaving:
        timeline.lanes.leave(lane)


def _grant(timeline: Timeline, overview: Overview) -> None:
    """Say which jobs runners hold."""
    table = bytes(state == JobState.GRANTED for state in range(256))
    granted = overview.states.translate(table)
    for job in itertools.compress(range(len(granted)), granted):
        visit = timeline.visits.get(overview.holders[job])
        if visit is None:
            continue
        timeline.job_lanes[job] = visit.lane.number
        if visit.spans and visit.spans[-1][1] == job:
            visit.spans[-1] = (visit.spans[-1][0], job + 1)
        else:
            visit.spans.append((job, job + 1))


def _explain(timeline: Timeline, overview: Overview) -> None:
    """Say what is known of bad ends."""
    timeline.retries = dict(overview.causes)
    for job, failure in overview.failures.items():
        cause = failure.verdict.cause
        timeline.job_causes[job] = CAUSES.index(cause)
        seconds = failure.verdict.ran_s or overview.seconds[job]
        timeline.details[job] = Detail(seconds, failure.traceback)
        if failure.again:
            continue
        timeline.failures[cause.value] = timeline.failures.get(cause.value, 0) + 1
    for cause_value, count in timeline.failures.items():
        timeline.retries[cause_value] = max(0, overview.causes[cause_value] - count)
