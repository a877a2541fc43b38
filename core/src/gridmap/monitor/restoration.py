"""What a journal's entries come to: the run as it was when its driver ended. Pure.

`Restored` takes in the entries one by one, in their order, and is then laid into the
tables of a new ledger. Three rules:

- A job is where the last entry about it says. A grant takes a job from where it was.
- A runner counts as living until an entry, the scheduler or its silence says otherwise:
  what it holds is nobody else's meanwhile.
- Entries may be missing, where a journal was damaged. What refers to a thing that no
  entry tells of is left out; a job that is run twice for it is better than one that is
  taken for done.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from gridmap.backend import Handle
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState, RunnerState
from gridmap.monitor.fleet import Runner
from gridmap.monitor.jobs import Span
from gridmap.monitor.staffing import FIRST_LOOK_S
from gridmap.resources import Resources
from gridmap.verdict import Verdict

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.payload import Frame

Frames: TypeAlias = Sequence["Frame"]


@attrs.define
class PastRunner:
    """A runner as its driver left it.

    Attributes:
        handle: The scheduler's name for it.
        resources: What its jobs need.
        surroundings: Number of their surroundings.
        nonce: Of its last life; empty if it never said hello.
        node: Where it ran; empty likewise.
    """

    handle: Handle
    resources: Resources
    surroundings: int
    nonce: str = ""
    node: str = ""


@attrs.frozen
class PastGrant:
    """A grant that was open, with the jobs that its runner may still run."""

    number: int
    runner: int
    first: int
    stop: int
    attempt: int
    function: bytes


@attrs.frozen
class Another:
    """How a job's next attempt differs from its first."""

    attempt: int
    function: bytes
    resources: Resources
    surroundings: int


@attrs.define
class Restored:
    """A run, told by its journal.

    Attributes:
        begun: How it began; None if its first entry is lost.
        terms: The frames of that.
        contents: Its functions, by content address.
        surroundings: What its jobs find on their nodes, by number.
        inputs: Jobs that were handed in, by their first, with their inputs' frames.
        sealed: Whether all were.
        finished: Whether every job is final.
        runners: Those that may live.
        attempts: Jobs whose next attempt is not the first.
        histories: Verdicts on the attempts of jobs that are not final.
        results: What came of jobs, in the order it came, with the frames.
        last_grant: The highest number of a grant.
        last_runner: The highest number of a runner.
    """

    begun: e.Begun | None = None
    terms: Frames = ()
    contents: dict[bytes, Frames] = attrs.field(factory=dict)
    surroundings: dict[int, e.Surround] = attrs.field(factory=dict)
    inputs: dict[int, tuple[e.Added, Frames]] = attrs.field(factory=dict)
    sealed: bool = False
    finished: bool = False
    runners: dict[int, PastRunner] = attrs.field(factory=dict)
    attempts: dict[int, Another] = attrs.field(factory=dict)
    histories: dict[int, list[Verdict]] = attrs.field(factory=dict)
    results: list[tuple[e.Done | e.Ended, Frames]] = attrs.field(factory=list)
    last_grant: int = 0
    last_runner: int = 0
    _grants: dict[int, PastGrant] = attrs.field(factory=dict)
    _states: bytearray = attrs.field(factory=bytearray)
    _holder: array[int] = attrs.field(factory=lambda: array("q"))
    _takers: dict[type[Any], Callable[..., None]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Say who takes in what."""
        self._takers = {
            e.Begun: self._begun,
            e.Content: self._content,
            e.Surround: self._surround,
            e.Added: self._added,
            e.Sealed: self._sealed,
            e.Taken: self._taken,
            e.Greeted: self._greeted,
            e.Granted: self._granted,
            e.Returned: self._returned,
            e.Retried: self._retried,
            e.Done: self._done,
            e.Ended: self._ended,
            e.Gone: self._gone,
            e.Finished: self._finished,
        }

    def take(self, entry: e.Entry, frames: Frames) -> None:
        """Take in the next entry."""
        self._takers[type(entry)](entry, frames)

    # One entry ----------------------------------------------------------------------

    def _begun(self, entry: e.Begun, frames: Frames) -> None:
        self.begun, self.terms = entry, frames

    def _content(self, entry: e.Content, frames: Frames) -> None:
        self.contents[entry.digest] = frames

    def _surround(self, entry: e.Surround, _: Frames) -> None:
        self.surroundings[entry.number] = entry

    def _added(self, entry: e.Added, frames: Frames) -> None:
        self.inputs[entry.first] = (entry, frames)
        self._reach(entry.stop)
        self.finished = False

    def _sealed(self, _entry: e.Sealed, _frames: Frames) -> None:
        self.sealed = True

    def _taken(self, entry: e.Taken, _: Frames) -> None:
        self.last_runner = max(self.last_runner, entry.runner)
        before = self.runners.get(entry.runner)
        self.runners[entry.runner] = PastRunner(
            Handle(entry.job, entry.task),
            entry.resources,
            entry.surroundings,
            before.nonce if before else "",
            before.node if before else "",
        )

    def _greeted(self, entry: e.Greeted, _: Frames) -> None:
        runner = self.runners.get(entry.runner)
        if runner is not None:
            runner.nonce, runner.node = entry.nonce, entry.node

    def _granted(self, entry: e.Granted, _: Frames) -> None:
        self.last_grant = max(self.last_grant, entry.grant)
        self._reach(entry.stop)
        self._grants[entry.grant] = PastGrant(
            entry.grant,
            entry.runner,
            entry.first,
            entry.stop,
            entry.attempt,
            entry.function,
        )
        self._hold(entry.first, entry.stop, entry.grant)

    def _returned(self, entry: e.Returned, _: Frames) -> None:
        self._reach(entry.stop)
        for job in range(entry.first, entry.stop):
            if self._holder[job] == entry.grant:
                self._holder[job] = 0

    def _retried(self, entry: e.Retried, _: Frames) -> None:
        self._reach(entry.job + 1)
        self._hold(entry.job, entry.job + 1, 0)
        self.attempts[entry.job] = Another(
            entry.attempt, entry.function, entry.resources, entry.surroundings
        )
        self.histories.setdefault(entry.job, []).append(entry.verdict)

    def _done(self, entry: e.Done, frames: Frames) -> None:
        self._end(entry.first, entry.stop, JobState.DONE)
        self.results.append((entry, frames))

    def _ended(self, entry: e.Ended, frames: Frames) -> None:
        self._end(entry.job, entry.job + 1, JobState.FAILED)
        self.results.append((entry, frames))

    def _gone(self, entry: e.Gone, _: Frames) -> None:
        self.runners.pop(entry.runner, None)

    def _finished(self, _entry: e.Finished, _frames: Frames) -> None:
        self.finished = True

    def _reach(self, stop: int) -> None:
        lacking = stop - len(self._states)
        if lacking > 0:
            self._states.extend(bytes(lacking))
            self._holder.extend(array("q", bytes(8 * lacking)))

    def _hold(self, first: int, stop: int, grant: int) -> None:
        self._holder[first:stop] = array("q", [grant]) * (stop - first)

    def _end(self, first: int, stop: int, state: JobState) -> None:
        self._reach(stop)
        self._states[first:stop] = bytes((state,)) * (stop - first)
        self._hold(first, stop, 0)
        for memory in (self.attempts, self.histories):
            if memory:
                for job in range(first, stop):
                    memory.pop(job, None)

    # What follows -------------------------------------------------------------------

    @property
    def known(self) -> int:
        """How many jobs there are without a gap, from the first, inputs and all."""
        stop = 0
        while stop in self.inputs:
            stop = self.inputs[stop][0].stop
        return stop

    def forget_failures(self) -> None:
        """Let jobs that ended badly be run again, with a clean slate."""
        kept: list[tuple[e.Done | e.Ended, Frames]] = []
        for entry, frames in self.results:
            if isinstance(entry, e.Ended):
                self._states[entry.job] = JobState.QUEUED
                self.finished = False
            else:
                kept.append((entry, frames))
        self.results = kept

    def parts(self, first: int, stop: int) -> Iterator[tuple[int, int, JobState, int]]:
        """Yield stretches of jobs that are alike: first, stop, state, grant (or 0).

        The state tells only whether, and how, they are over.
        """
        self._reach(stop)
        states, holder, attempts = self._states, self._holder, self.attempts
        start = first
        while start < stop:
            state, grant = states[start], holder[start]
            end = start + 1
            while (
                end < stop
                and states[end] == state
                and holder[end] == grant
                and start not in attempts
                and end not in attempts
            ):
                end += 1
            yield start, end, JobState(state), self._valid(grant)
            start = end

    def asked(self, job: int) -> e.Added | None:
        """Return how a job was handed in; None if that is lost."""
        found = (added for added, _ in self.inputs.values())
        return next((a for a in found if a.first <= job < a.stop), None)

    def _valid(self, grant: int) -> int:
        """Return a grant's number, 0 if it or its runner is not known (any more)."""
        known = self._grants.get(grant)
        return grant if known is not None and known.runner in self.runners else 0

    def grant(self, number: int) -> PastGrant:
        """Return an open grant."""
        return self._grants[number]


@attrs.frozen(kw_only=True)
class Segment:
    """Jobs as they are to be run from now on, unless a runner has them already."""

    first: int
    stop: int
    function: bytes
    resources: Resources
    surroundings: int


def segments(past: Restored) -> list[Segment]:
    """Return all jobs as they were handed in, up to the first gap."""
    found: list[Segment] = []
    known = past.known
    while not found or found[-1].stop < known:
        added, _ = past.inputs[found[-1].stop if found else 0]
        found.append(
            Segment(
                first=added.first,
                stop=added.stop,
                function=added.function,
                resources=added.resources,
                surroundings=added.surroundings,
            )
        )
    return found


def lay(past: Restored, jobs: Sequence[Segment], books: Books) -> None:
    """Lay a past run into the tables of a ledger that is new.

    Args:
        past: What the journal told.
        jobs: How its jobs are to be run from now on, gapless from the first.
        books: The tables.
    """
    for number, earlier in past.runners.items():
        _inherit(number, earlier, books)
    books.fleet.number_from(past.last_runner + 1)
    books.jobs.number_grants_from(past.last_grant + 1)
    for segment in jobs:
        group = books.jobs.group(segment.resources, segment.surroundings)
        books.jobs.lay(segment.first, segment.stop, group)
        for first, stop, state, grant in past.parts(segment.first, segment.stop):
            if state.final:
                books.jobs.lay_final(first, stop, state)
            elif grant:
                _hold(past.grant(grant), first, stop, books)
            else:
                _wait(past, segment, first, stop, books)
    for runner in books.fleet:
        runner.grants = dict(sorted(runner.grants.items()))  # as they were given
    books.jobs.histories.update(past.histories)


def _inherit(number: int, past: PastRunner, books: Books) -> None:
    state = RunnerState.SUSPECT if past.nonce else RunnerState.QUEUED
    runner = Runner(
        number,
        books.jobs.group(past.resources, past.surroundings),
        state,
        since=books.now,
        handle=past.handle,
        nonce=past.nonce,
        node=past.node or None,
        heard=books.now,
        look_at=books.now + FIRST_LOOK_S,
        look_pause=FIRST_LOOK_S,
    )
    books.fleet.inherit(runner)
    for crew in (runner.group.crew, books.fleet.crew):
        crew.moved(None, state)


def _hold(past: PastGrant, first: int, stop: int, books: Books) -> None:
    runner = books.fleet.runners[past.runner]
    grant = books.jobs.grants.get(past.number)
    if grant is None:
        span = Span(past.first, past.stop, past.attempt, past.function)
        grant = books.jobs.lay_grant(
            past.number, runner.number, span, runner.group, books.now
        )
        runner.grants[grant.number] = grant
    books.jobs.lay_granted(grant, first, stop)
    runner.given += stop - first
    runner.left += stop - first


def _wait(
    past: Restored, segment: Segment, first: int, stop: int, books: Books
) -> None:
    again, asked = past.attempts.get(first), past.asked(first)
    resources, function, attempt = segment.resources, segment.function, 1
    if again is not None:
        attempt = again.attempt
        # What an attempt was given besides what its user asked for, it keeps.
        if asked is None or again.resources != asked.resources:
            resources = again.resources
        if asked is None or again.function != asked.function:
            function = again.function
    group = books.jobs.group(resources, segment.surroundings)
    books.jobs.lay_waiting(Span(first, stop, attempt, function), group)
