"""What a page shows of a run beyond `gridmap.overview`: who was busy when, and how.

A fold of the run's events, pure, in bounded memory: nine bytes a job, and for the rest
as much as a screen can show. Times are seconds since the run began.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap import events as ev
from gridmap.overview import MOST_FAILURES, Point, cores_between
from gridmap.verdict import Cause
from gridmap_dashboard.lanes import MOST_SEGMENTS, Kind, Lane, Lanes, Segment
from gridmap_dashboard.series import Bins

if TYPE_CHECKING:
    from gridmap.verdict import Verdict

MOST_READINGS: Final = 100_000
"""Heartbeats of all runners together that are kept."""

DURATIONS_S: Final = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0)
"""Upper bounds of the buckets that durations are counted in, seconds."""

CAUSES: Final = tuple(Cause)
NO_CAUSE: Final = 255
_NOWHERE: Final = -1


@attrs.define(eq=False)
class Visit:
    """A runner on its lane.

    Attributes:
        lane: The lane.
        spans: Jobs given to it that have not ended, as ``(first, stop)``, the one that
            runs first.
        since: When it took up the first of them.
        failed: How many ended badly on it.
        beat: Its last heartbeat.
        cores: Processor seconds a second, at its last heartbeat.
        said: What a job on it said last of how far it is; None: nothing.
    """

    lane: Lane
    spans: list[tuple[int, int]] = attrs.field(factory=list)
    since: float = 0.0
    failed: int = 0
    beat: ev.RunnerVitals | None = None
    cores: float = 0.0
    said: ev.JobProgress | None = None

    @property
    def job(self) -> int | None:
        """The job that runs on it; None: it is idle."""
        return self.spans[0][0] if self.spans else None

    @property
    def progress(self) -> dict[str, Any] | None:
        """How far its job is, by its own account, as plain data; None: it did not say."""
        said = self.said
        if said is None or said.job != self.job:
            return None
        of = f" of {said.total:g}" if said.total else ""
        part = said.done / said.total if said.total else math.nan
        return {
            "part": min(1.0, max(0.0, part)) if math.isfinite(part) else None,
            "text": f"{said.done:g}{of} {said.text}".rstrip(),
        }

    def settle(self, first: int, stop: int) -> None:
        """Note that jobs given to it are over."""
        head = self.spans[0] if self.spans else (0, 0)
        if head[0] == first and stop <= head[1]:  # by far the most there are
            self.spans[:1] = [(stop, head[1])] if stop < head[1] else []
            return
        pieces = []
        for low, high in self.spans:
            pieces += [(low, min(first, high)), (max(stop, low), high)]
        self.spans = [(low, high) for low, high in pieces if low < high]


@attrs.frozen
class Detail:
    """What is known of a bad end beyond its verdict.

    Attributes:
        seconds: How long the attempt took, about.
        traceback: Where its exception was raised.
    """

    seconds: float
    traceback: str


@attrs.define(eq=False)
class Timeline:
    """A run over time.

    Attributes:
        began: When the run began, seconds since the epoch.
        lanes: Who was busy when.
        visits: Runners that are up, by number.
        done: Jobs that returned, over time.
        durations: How many jobs took how long, see `DURATIONS_S`.
        busy_s: How long jobs that returned took together.
        retries: How many attempts were followed by another, by the value of the cause.
        failures: How many jobs ended badly for good, likewise.
        job_lanes: The lane each job was given to; -1: none.
        job_ends: When each ended.
        job_causes: How its last bad end came, an index of `CAUSES`.
        details: More of the last bad ends, by job.
    """

    began: float = 0.0
    lanes: Lanes = attrs.field(factory=Lanes)
    visits: dict[int, Visit] = attrs.field(factory=dict)
    done: Bins = attrs.field(factory=Bins)
    durations: list[int] = attrs.field(factory=lambda: [0] * (len(DURATIONS_S) + 1))
    busy_s: float = 0.0
    retries: dict[str, int] = attrs.field(factory=dict)
    failures: dict[str, int] = attrs.field(factory=dict)
    job_lanes: array[int] = attrs.field(factory=lambda: array("i"))
    job_ends: array[float] = attrs.field(factory=lambda: array("f"))
    job_causes: bytearray = attrs.field(factory=bytearray)
    details: dict[int, Detail] = attrs.field(factory=dict)
    _takers: dict[type[Any], Callable[[Any], None]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Say who takes in what."""
        self._takers = {
            ev.RunStarted: self._started,
            ev.RunEnded: self._ended,
            ev.RunnerUp: self._up,
            ev.RunnerGone: self._gone,
            ev.RunnerVitals: self._vitals,
            ev.JobProgress: self._progressed,
            ev.JobsGranted: self._granted,
            ev.JobSpeculated: self._speculated,
            ev.SpeculationEnded: self._speculation_ended,
            ev.JobsDone: self._done,
            ev.JobFailed: self._failed,
        }

    def take(self, event: ev.Event) -> None:
        """Take in one event; those of no interest here are passed over."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    def since(self, at: float) -> float:
        """Return a time as seconds since the run began."""
        return max(0.0, at - self.began)

    def node(self, job: int) -> str:
        """Return the node a job was given to last; empty: none."""
        lane = self.job_lanes[job] if job < len(self.job_lanes) else _NOWHERE
        return "" if lane == _NOWHERE else self.lanes.lanes[lane].node

    def running(self) -> dict[int, Visit]:
        """Return the jobs that run, and where."""
        return {
            job: visit
            for visit in self.visits.values()
            if (job := visit.job) is not None
        }

    def _started(self, event: ev.RunStarted) -> None:
        self.began = event.at

    def _ended(self, event: ev.RunEnded) -> None:
        del event
        for visit in self.visits.values():
            self.lanes.leave(visit.lane)
        self.visits.clear()

    def _up(self, event: ev.RunnerUp) -> None:
        visit = self.visits.get(event.runner)
        if visit is not None and visit.lane.node == event.node:
            return
        if visit is not None:  # started again elsewhere
            self.lanes.leave(visit.lane)
        lane = self.lanes.take(event.node, event.runner)
        self.visits[event.runner] = Visit(lane=lane, since=self.since(event.at))

    def _gone(self, event: ev.RunnerGone) -> None:
        visit = self.visits.pop(event.runner, None)
        if visit is not None:
            self.lanes.leave(visit.lane)

    def _granted(self, event: ev.JobsGranted) -> None:
        visit = self.visits.get(event.runner)
        if visit is None:
            return
        first, stop = event.first, event.stop
        self.grow(stop)
        self.job_lanes[first:stop] = array("i", (visit.lane.number,)) * (stop - first)
        self._take_up(visit, first, stop, event.at)

    def _take_up(self, visit: Visit, first: int, stop: int, at: float) -> None:
        if not visit.spans:
            visit.since = self.since(at)
        if (first, stop) not in visit.spans[-1:]:  # else it was a second attempt
            visit.spans.append((first, stop))

    def _speculated(self, event: ev.JobSpeculated) -> None:
        self.grow(event.job + 1)
        if (visit := self.visits.get(event.runner)) is not None:
            self._take_up(visit, event.job, event.job + 1, event.at)

    def _speculation_ended(self, event: ev.SpeculationEnded) -> None:
        """Have whoever ran the attempt that counts no more be done with it."""
        if event.outcome == "took over":
            return
        won = event.outcome == "won"
        visit = self._owner(event.job) if won else self.visits.get(event.runner)
        if visit is not None:
            visit.settle(event.job, event.job + 1)
            visit.since = self.since(event.at)

    def grow(self, stop: int) -> None:
        """Have room for jobs up to one."""
        more = stop - len(self.job_lanes)
        if more > 0:
            self.job_lanes.extend(array("i", (_NOWHERE,)) * more)
            self.job_ends.extend(array("f", (0.0,)) * more)
            self.job_causes += bytes((NO_CAUSE,)) * more

    def _done(self, event: ev.JobsDone) -> None:
        count, at = event.stop - event.first, self.since(event.at)
        self.grow(event.stop)
        self.job_ends[event.first : event.stop] = array("f", (at,)) * count
        self.count(at, event.seconds, count)
        if (visit := self.visits.get(event.runner)) is not None:
            start = max(visit.since, at - event.seconds)
            piece = Segment(start, at, Kind.DONE, event.first, count)
            self._settle(visit, piece)

    def _failed(self, event: ev.JobFailed) -> None:
        at, cause = self.since(event.at), event.verdict.cause
        tally = self.retries if event.again else self.failures
        tally[cause.value] = tally.get(cause.value, 0) + 1
        self.grow(event.job + 1)
        self.job_ends[event.job] = at
        self.job_causes[event.job] = CAUSES.index(cause)
        start = at
        if (visit := self._owner(event.job)) is not None:
            visit.failed += 1
            start = _began(event.verdict, visit.since, at)
            kind = Kind.RETRIED if event.again else Kind.FAILED
            self._settle(visit, Segment(start, at, kind, event.job, 1))
        self.details.pop(event.job, None)
        self.details[event.job] = Detail(at - start, event.traceback)
        if len(self.details) > MOST_FAILURES:
            del self.details[next(iter(self.details))]

    def _owner(self, job: int) -> Visit | None:
        lane = self.job_lanes[job]
        runner = None if lane == _NOWHERE else self.lanes.lanes[lane].runner
        visit = None if runner is None else self.visits.get(runner)
        if visit is None or not any(low <= job < high for low, high in visit.spans):
            return None
        return visit

    def _settle(self, visit: Visit, piece: Segment) -> None:
        visit.lane.add(piece, self.lanes.share(MOST_SEGMENTS))
        visit.since = piece.end
        visit.settle(piece.first, piece.first + piece.jobs)

    def _vitals(self, event: ev.RunnerVitals) -> None:
        visit = self.visits.get(event.runner)
        if visit is None:
            return
        visit.cores = cores_between(visit.beat, event)
        visit.beat = event
        point = Point(
            at=self.since(event.at),
            cores=visit.cores,
            rss=event.rss,
            job=-1 if event.job is None else event.job,
        )
        visit.lane.readings.add(point, self.lanes.share(MOST_READINGS))

    def _progressed(self, event: ev.JobProgress) -> None:
        if (visit := self.visits.get(event.runner)) is not None:
            visit.said = event

    def count(self, at: float, seconds: float, count: int) -> None:
        """Count jobs that returned, and how long they took together."""
        self.done.add(at, count)
        self.busy_s += seconds
        mean = seconds / count
        place = next((n for n, most in enumerate(DURATIONS_S) if mean <= most), -1)
        self.durations[place] += count


def _began(verdict: Verdict, since: float, at: float) -> float:
    """Return when an attempt that ended badly began, as well as that is known."""
    return since if verdict.ran_s is None else max(0.0, at - verdict.ran_s)
