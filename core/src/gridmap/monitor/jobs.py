"""The ledger's jobs: their states, who waits for a runner, and who holds what.

Everything here works on ranges. A map of a million equal jobs is one range until
its first grant, and a report of a thousand results moves one slice of bytes.
"""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.concealing import Concealing
from gridmap.lifecycle import JobState, JobStep, move_jobs
from gridmap.monitor.checkpoints import Checkpoints
from gridmap.monitor.crew import Crew
from gridmap.monitor.doubles import Doubles, Durations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.resources import Resources
    from gridmap.verdict import Verdict

_LEARNING: Final = 0.3
"""Weight of a new measurement in a group's mean duration."""


class Span(msgspec.Struct, frozen=True):
    """Jobs that can travel together: the same function, the same attempt."""

    first: int
    stop: int
    attempt: int
    function: bytes

    def __len__(self) -> int:
        """Return how many jobs there are."""
        return self.stop - self.first

    def meets(self, first: int, stop: int) -> bool:
        """Whether any of these jobs is among them."""
        return self.first < stop and first < self.stop

    def part(self, first: int, stop: int) -> Span:
        """Return some of these jobs."""
        return Span(first, stop, self.attempt, self.function)


class Grant(Concealing, msgspec.Struct, eq=False):
    """Jobs given to a runner; open until each of them is accounted for.

    A job leaves its grant by a result, a verdict, a cancellation or by being handed
    back, and may be in another grant right after. So a grant keeps for itself which
    of its jobs it still answers for, one byte each; the job's state cannot tell.

    Attributes:
        number: Unique in the run.
        runner: Who has them.
        group: The group they were taken from.
        span: The jobs.
        at: When they were given.
        beat: The runner's last heartbeat before.
        left: How many are not accounted for.
        held: Which those are: 1 for each, from the span's first.
        mean_s: Mean duration of the group's jobs when they were given; None before
            any was measured.
        twin: Of a grant of one job that was begun a second time, the grant of the
            second attempt; of that, the first. None: there is no other.
    """

    concealed = frozenset({"group", "held", "twin"})

    number: int
    runner: int
    group: Group
    span: Span
    at: float
    beat: int
    left: int
    held: bytearray
    mean_s: float | None = None
    twin: Grant | None = None

    def holds(self, job: int) -> bool:
        """Whether it still answers for a job."""
        span = self.span
        return span.first <= job < span.stop and self.held[job - span.first] == 1

    def runs(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches it still answers for between two jobs, in order."""
        base, held = self.span.first, self.held
        end = max(0, min(stop, self.span.stop) - base)
        at = held.find(1, max(first - base, 0), end)
        while at >= 0:
            gap = held.find(0, at, end)
            yield at + base, (end if gap < 0 else gap) + base
            at = held.find(1, gap, end) if gap >= 0 else -1

    def drop(self, first: int, stop: int) -> None:
        """Account for jobs, all of which it answers for."""
        base = self.span.first
        self.held[first - base : stop - base] = bytes(stop - first)
        self.left -= stop - first

    @property
    def next(self) -> int | None:
        """The first job it answers for: the one being run, if any is."""
        at = self.held.find(1)
        return None if at < 0 else at + self.span.first


class Group(Concealing, msgspec.Struct, eq=False):
    """Jobs with equal resources and surroundings, and what is known about their runners.

    Attributes:
        resources: What each needs.
        surroundings: Which of the policy's surroundings they run in.
        waiting: Jobs without a runner, in order.
        queued: How many those are.
        open: How many jobs of the group are not final.
        loaded: Open grants of several jobs, oldest first: there an idle runner may
            find something to do.
        crew: How many of its runners are in each state.
        idle: Numbers of its runners that are up and hold nothing, and since when.
        cut_s: The longest that a job ran until its runner's time was over: who has not
            twice as much left is given none, or it would go on so.
        mean_s: Mean duration of a job as measured lately; None before the first.
        start_failures: Runners that never did any work, in a row.
        rejections: Submissions that were turned away, in a row.
        dismissed: Whether a person killed one of its runners, and it is not known
            yet whether any survived.
        relieved_at: When a runner of it was last let go in good health.
        starved_since: Since when it lacks a runner for want of room; None if it does
            not.
        hire_at: No runner is asked for before this time.
        avoid: Nodes its runners shall not use.
        durations: How long its jobs took, where that is looked at.
        second_at: No runner is asked for before this time for a second attempt.
    """

    concealed = frozenset({"loaded", "durations"})

    resources: Resources
    surroundings: int = 0
    waiting: deque[Span] = msgspec.field(default_factory=deque)
    queued: int = 0
    open: int = 0
    loaded: dict[int, Grant] = msgspec.field(default_factory=dict)
    crew: Crew = msgspec.field(default_factory=Crew)
    idle: dict[int, float] = msgspec.field(default_factory=dict)
    cut_s: float = 0.0
    mean_s: float | None = None
    start_failures: int = 0
    rejections: int = 0
    dismissed: bool = False
    relieved_at: float = 0.0
    starved_since: float | None = None
    hire_at: float = 0.0
    avoid: frozenset[str] = frozenset()
    durations: Durations = msgspec.field(default_factory=Durations)
    second_at: float = 0.0

    def cut_short(self, seconds: float) -> None:
        """Learn that a job had run so long when its runner's time was over."""
        self.cut_s = max(self.cut_s, seconds)

    def measured(self, seconds: float, count: int) -> None:
        """Learn from *count* jobs that took *seconds* together."""
        mean = seconds / count
        if self.mean_s is None:
            self.mean_s = mean
        else:
            self.mean_s += _LEARNING * (mean - self.mean_s)


class JobTable(msgspec.Struct):
    """All jobs of a run."""

    states: bytearray = msgspec.field(default_factory=bytearray)
    groups: dict[tuple[Resources, int], Group] = {}
    grants: dict[int, Grant] = {}
    histories: dict[int, list[Verdict]] = {}
    checkpoints: Checkpoints = msgspec.field(default_factory=Checkpoints)
    delayed: list[tuple[float, int, Span, Group]] = []
    doubles: Doubles = msgspec.field(default_factory=Doubles)
    _segments: list[tuple[int, Group]] = []
    _moved: dict[int, Group] = {}
    _next_grant: int = 1
    _next_delay: int = 1

    def group(self, resources: Resources, surroundings: int = 0) -> Group:
        """Return the group of jobs that are alike in this, new if need be."""
        key = (resources, surroundings)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(resources, surroundings)
        return group

    def group_of(self, job: int) -> Group:
        """Return the group a job was added to."""
        if self._moved and (moved := self._moved.get(job)) is not None:
            return moved
        place = bisect.bisect_right(self._segments, job, key=lambda entry: entry[0])
        return self._segments[place - 1][1]

    def reassign(self, job: int, resources: Resources) -> Group:
        """Put one job into the group of other resources and return that group."""
        surroundings = self.group_of(job).surroundings
        group = self._moved[job] = self.group(resources, surroundings)
        return group

    def add(self, first: int, stop: int, function: bytes, group: Group) -> None:
        """Take in jobs, which must continue those there are."""
        self.states.extend(bytes(stop - first))
        if not self._segments or self._segments[-1][1] is not group:
            self._segments.append((first, group))
        group.open += stop - first
        group.queued += stop - first
        last = group.waiting[-1] if group.waiting else None
        if last and (last.stop, last.attempt, last.function) == (first, 1, function):
            group.waiting[-1] = Span(last.first, stop, 1, function)
        else:
            group.waiting.append(Span(first, stop, 1, function))

    def lay(self, first: int, stop: int, group: Group) -> None:
        """Take in jobs of an earlier process, which must continue those there are.

        None of them waits for a runner or is over yet: the others below say which do.
        """
        self.states.extend(bytes(stop - first))
        if not self._segments or self._segments[-1][1] is not group:
            self._segments.append((first, group))
        group.open += stop - first

    def number_grants_from(self, number: int) -> None:
        """Give new grants numbers from this one on: a number is never used twice."""
        self._next_grant = max(self._next_grant, number)

    def lay_waiting(self, span: Span, group: Group) -> None:
        """Let jobs that were laid in wait for a runner."""
        self._lay_into(group, span.first, span.stop)
        group.waiting.append(span)
        group.queued += len(span)

    def lay_final(self, first: int, stop: int, state: JobState) -> None:
        """Let jobs that were laid in be over."""
        self.states[first:stop] = bytes((state,)) * (stop - first)
        self.group_of(first).open -= stop - first

    def lay_grant(
        self, number: int, runner: int, span: Span, group: Group, now: float
    ) -> Grant:
        """Open a grant of an earlier process again; it answers for no job yet."""
        held = bytearray(len(span))
        grant = Grant(number, runner, group, span, now, 0, 0, held)
        self.grants[number] = grant
        return grant

    def lay_granted(self, grant: Grant, first: int, stop: int) -> None:
        """Let a grant answer for jobs that were laid in."""
        self._lay_into(grant.group, first, stop)
        self.states[first:stop] = bytes((JobState.GRANTED,)) * (stop - first)
        base = grant.span.first
        grant.held[first - base : stop - base] = b"\1" * (stop - first)
        grant.left += stop - first

    def _lay_into(self, group: Group, first: int, stop: int) -> None:
        """See to it that jobs count for this group, which may not be that they have."""
        for job in range(first, stop) if self.group_of(first) is not group else ():
            self.group_of(job).open -= 1
            self._moved[job] = group
            group.open += 1

    def take(self, group: Group, most: int) -> Span | None:
        """Take up to *most* waiting jobs off the queue; None if there are none."""
        while group.waiting:
            span = group.waiting.popleft()
            stop = min(span.stop, span.first + most)
            run = next(self.runs(span.first, stop, JobState.QUEUED), None)
            if run is None:  # all of them were cancelled
                if stop < span.stop:
                    group.waiting.appendleft(span.part(stop, span.stop))
                continue
            first, stop = run
            if stop < span.stop:
                group.waiting.appendleft(span.part(stop, span.stop))
            group.queued -= stop - first
            return span.part(first, stop)
        return None

    def grant(
        self,
        span: Span,
        group: Group,
        *,
        runner: int,
        now: float,
        beat: int,
        behind: bool = False,
    ) -> Grant:
        """Give jobs that were taken to a runner."""
        move_jobs(self.states, span.first, span.stop, JobStep.GRANT)
        count = len(span)
        held = bytearray(b"\1") * count
        number, mean_s = self.number(), group.mean_s
        grant = Grant(number, runner, group, span, now, beat, count, held, mean_s)
        self.grants[number] = grant
        if count > 1 or behind:
            group.loaded[grant.number] = grant
        return grant

    def number(self) -> int:
        """Return a number for a grant that no other has or had."""
        self._next_grant += 1
        return self._next_grant - 1

    def settle(self, grant: Grant, first: int, stop: int) -> None:
        """Account for jobs of a grant; close it when none is left."""
        grant.drop(first, stop)
        if grant.left <= 1:
            grant.group.loaded.pop(grant.number, None)
        if grant.left <= 0:
            self.grants.pop(grant.number, None)

    def end(self, group: Group, first: int, stop: int, step: JobStep) -> None:
        """Move jobs of a group to a final state and forget what led there."""
        move_jobs(self.states, first, stop, step)
        group.open -= stop - first
        for memory in (self.histories, self._moved, self.doubles.attempts):
            if memory:
                for job in range(first, stop):
                    memory.pop(job, None)
        if self.checkpoints:
            for job in range(first, stop):
                self.checkpoints.forget(job)

    def again(self, span: Span, group: Group, at: float | None) -> None:
        """Queue a granted job of its own for another attempt, at once or later."""
        if at is None:
            move_jobs(self.states, span.first, span.stop, JobStep.RETURN)
            group.waiting.appendleft(span)
            group.queued += len(span)
        else:
            move_jobs(self.states, span.first, span.stop, JobStep.DELAY)
            heapq.heappush(self.delayed, (at, self._next_delay, span, group))
            self._next_delay += 1

    def wake(self, now: float) -> bool:
        """Queue delayed jobs whose time has come; tell whether there were any."""
        woken = False
        while self.delayed and self.delayed[0][0] <= now:
            _, _, span, group = heapq.heappop(self.delayed)
            if self.states[span.first] == JobState.DELAYED:
                move_jobs(self.states, span.first, span.stop, JobStep.WAKE)
                group.waiting.append(span)
                group.queued += len(span)
                woken = True
        return woken

    def runs(self, first: int, stop: int, state: JobState) -> Iterator[tuple[int, int]]:
        """Yield the longest stretches of jobs in *state* between first and stop."""
        states = self.states
        if states.count(state, first, stop) == stop - first:
            if first < stop:
                yield first, stop
            return
        start: int | None = None
        for job in range(first, stop):
            if states[job] == state:
                start = job if start is None else start
            elif start is not None:
                yield start, job
                start = None
        if start is not None:
            yield start, stop

    @property
    def open(self) -> int:
        """How many jobs are not final."""
        return sum(group.open for group in self.groups.values())
