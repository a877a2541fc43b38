"""The ledger's jobs: their states, who waits for a runner, and who holds what.

Everything here works on ranges. A map of a million equal jobs is one range until
its first grant, and a report of a thousand results moves one slice of bytes.
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.lifecycle import JobState, JobStep, move_jobs
from gridmap.resources import Resources
from gridmap.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEARNING: Final = 0.3
"""Weight of a new measurement in a group's mean duration."""


@attrs.frozen
class Span:
    """Jobs that can travel together: the same function, the same attempt."""

    first: int
    stop: int
    attempt: int
    function: bytes

    def __len__(self) -> int:
        """Return how many jobs there are."""
        return self.stop - self.first


@attrs.define
class Grant:
    """Jobs given to a runner; open until each of them is accounted for.

    Attributes:
        number: Unique in the run.
        runner: Who has them.
        span: The jobs.
        at: When they were given.
        left: How many are not accounted for.
        next: The first that was not accounted for yet: the one being run, if any.
        recalled: Whether the unstarted ones were asked back.
    """

    number: int
    runner: int
    span: Span
    at: float
    left: int
    next: int
    recalled: bool = False


@attrs.define
class Group:
    """Jobs with equal resources and surroundings, and what is known about their runners.

    Attributes:
        resources: What each needs.
        surroundings: Which of the policy's surroundings they run in.
        waiting: Jobs without a runner, in order.
        queued: How many those are.
        open: How many jobs of the group are not final.
        mean_s: Mean duration of a job as measured lately; None before the first.
        start_failures: Runners that ended before they said hello, in a row.
        came_up: Whether any runner ever said hello.
        up: How many of its runners are up.
        rejections: Submissions that were turned away for now, in a row.
        dismissed: Whether a person killed one of its runners.
        hire_at: No runner is asked for before this time.
        avoid: Nodes its runners shall not use.
    """

    resources: Resources
    surroundings: int = 0
    waiting: deque[Span] = attrs.field(factory=deque)
    queued: int = 0
    open: int = 0
    mean_s: float | None = None
    start_failures: int = 0
    came_up: bool = False
    up: int = 0
    rejections: int = 0
    dismissed: bool = False
    hire_at: float = 0.0
    avoid: frozenset[str] = frozenset()

    def measured(self, seconds: float, count: int) -> None:
        """Learn from *count* jobs that took *seconds* together."""
        mean = seconds / count
        if self.mean_s is None:
            self.mean_s = mean
        else:
            self.mean_s += _LEARNING * (mean - self.mean_s)


@attrs.define
class JobTable:
    """All jobs of a run."""

    states: bytearray = attrs.field(factory=bytearray)
    groups: dict[tuple[Resources, int], Group] = attrs.field(factory=dict)
    grants: dict[int, Grant] = attrs.field(factory=dict)
    histories: dict[int, list[Verdict]] = attrs.field(factory=dict)
    delayed: list[tuple[float, Span, Group]] = attrs.field(factory=list)
    _segments: list[tuple[int, Group]] = attrs.field(factory=list)
    _moved: dict[int, Group] = attrs.field(factory=dict)
    _next_grant: int = 1

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

    def take(self, group: Group, most: int) -> Span | None:
        """Take up to *most* waiting jobs off the queue; None if there are none."""
        while group.waiting:
            span = group.waiting.popleft()
            stop = min(span.stop, span.first + most)
            runs = list(self.runs(span.first, stop, JobState.QUEUED))
            if not runs:  # all of them were cancelled
                if stop < span.stop:
                    group.waiting.appendleft(attrs.evolve(span, first=stop))
                continue
            first, stop = runs[0]
            if stop < span.stop:
                group.waiting.appendleft(attrs.evolve(span, first=stop))
            group.queued -= stop - first
            return attrs.evolve(span, first=first, stop=stop)
        return None

    def grant(self, span: Span, runner: int, now: float) -> Grant:
        """Give jobs that were taken to a runner."""
        move_jobs(self.states, span.first, span.stop, JobStep.GRANT)
        grant = Grant(self._next_grant, runner, span, now, len(span), span.first)
        self._next_grant += 1
        self.grants[grant.number] = grant
        return grant

    def grant_of(self, job: int) -> Grant | None:
        """Return the open grant that holds a job; None if none does."""
        grants = self.grants.values()
        return next((g for g in grants if g.span.first <= job < g.span.stop), None)

    def again(self, span: Span, group: Group, at: float | None) -> None:
        """Queue a granted job of its own for another attempt, at once or later."""
        if at is None:
            move_jobs(self.states, span.first, span.stop, JobStep.RETURN)
            group.waiting.appendleft(span)
            group.queued += len(span)
        else:
            move_jobs(self.states, span.first, span.stop, JobStep.DELAY)
            self.delayed.append((at, span, group))

    def wake(self, now: float) -> bool:
        """Queue delayed jobs whose time has come; tell whether there were any."""
        due = [entry for entry in self.delayed if entry[0] <= now]
        self.delayed = [entry for entry in self.delayed if entry[0] > now]
        for _, span, group in due:
            if self.states[span.first] == JobState.DELAYED:
                move_jobs(self.states, span.first, span.stop, JobStep.WAKE)
                group.waiting.append(span)
                group.queued += len(span)
        return bool(due)

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
