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

import msgspec

from gridmap.backend import Handle
from gridmap.concealing import Concealing
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState

if TYPE_CHECKING:
    from gridmap.payload import Frame
    from gridmap.resources import Resources
    from gridmap.verdict import Verdict

Frames: TypeAlias = Sequence["Frame"]


class PastRunner(msgspec.Struct):
    """A runner as its driver left it.

    Attributes:
        handle: The scheduler's name for it.
        resources: What its jobs need.
        surroundings: Number of their surroundings.
        nonce: Of its last life; empty if it never said hello.
        node: Where it ran; empty likewise.
        avoid: Nodes it was asked to be kept from.
    """

    handle: Handle
    resources: Resources
    surroundings: int
    nonce: str = ""
    node: str = ""
    avoid: frozenset[str] = frozenset()


class PastGrant(msgspec.Struct, frozen=True):
    """A grant that was open, with the jobs that its runner may still run."""

    number: int
    runner: int
    first: int
    stop: int
    attempt: int
    function: bytes


class Another(msgspec.Struct, frozen=True):
    """How a job's next attempt differs from its first."""

    attempt: int
    function: bytes
    resources: Resources
    surroundings: int


class Restored(Concealing, msgspec.Struct):
    """A run, told by its journal.

    Attributes:
        begun: How it began; None if its first entry is lost.
        terms: The frames of that.
        functions: Its functions, by content address.
        contents: Their frames.
        surroundings: What its jobs find on their nodes, by number.
        inputs: Jobs that were handed in, by their first, with their inputs' frames.
        sealed: Whether all were.
        runners: Those that may live.
        attempts: Jobs whose next attempt is not the first.
        doubled: Jobs that are not over and were begun a second time, with the number
            of that attempt.
        histories: Verdicts on the attempts of jobs that are not final.
        results: What jobs returned, in the order it came, with the frames.
        failures: How jobs ended badly, with the frames.
        last_grant: The highest number of a grant.
        last_runner: The highest number of a runner.
    """

    concealed = frozenset({"_takers"})

    begun: e.Begun | None = None
    terms: Frames = ()
    functions: dict[bytes, e.Content] = msgspec.field(default_factory=dict)
    contents: dict[bytes, Frames] = msgspec.field(default_factory=dict)
    surroundings: dict[int, e.Surround] = msgspec.field(default_factory=dict)
    inputs: dict[int, tuple[e.Added, Frames]] = msgspec.field(default_factory=dict)
    sealed: bool = False
    runners: dict[int, PastRunner] = msgspec.field(default_factory=dict)
    attempts: dict[int, Another] = msgspec.field(default_factory=dict)
    doubled: dict[int, int] = msgspec.field(default_factory=dict)
    histories: dict[int, list[Verdict]] = msgspec.field(default_factory=dict)
    results: list[tuple[e.Done, Frames]] = msgspec.field(default_factory=list)
    failures: dict[int, tuple[e.Ended, Frames]] = msgspec.field(default_factory=dict)
    last_grant: int = 0
    last_runner: int = 0
    _grants: dict[int, PastGrant] = msgspec.field(default_factory=dict)
    _states: bytearray = msgspec.field(default_factory=bytearray)
    _holder: array[int] = msgspec.field(default_factory=lambda: array("q"))
    _takers: dict[type[Any], Callable[..., None]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
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
            e.Doubled: self._doubled,
            e.Returned: self._returned,
            e.Retried: self._retried,
            e.Saved: self._saved,
            e.Done: self._done,
            e.Ended: self._ended,
            e.Gone: self._gone,
        }

    def take(self, entry: e.Entry, frames: Frames) -> None:
        """Take in the next entry."""
        self._takers[type(entry)](entry, frames)

    # One entry ----------------------------------------------------------------------

    def _begun(self, entry: e.Begun, frames: Frames) -> None:
        self.begun, self.terms = entry, frames

    def _content(self, entry: e.Content, frames: Frames) -> None:
        self.functions[entry.digest] = entry
        self.contents[entry.digest] = frames

    def _surround(self, entry: e.Surround, _: Frames) -> None:
        self.surroundings[entry.number] = entry

    def _added(self, entry: e.Added, frames: Frames) -> None:
        self.inputs[entry.first] = (entry, frames)
        self._reach(entry.stop)

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
            frozenset(entry.avoid),
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
        if self.doubled.get(entry.first) == entry.attempt:
            self._taken_over(entry)

    def _doubled(self, entry: e.Doubled, _: Frames) -> None:
        self.last_grant = max(self.last_grant, entry.grant)
        self._reach(entry.job + 1)
        if not JobState(self._states[entry.job]).final:
            self.doubled[entry.job] = entry.attempt

    def _taken_over(self, entry: e.Granted) -> None:
        """Let the second attempt of a job be its present one."""
        job = entry.first
        asked, again = self.asked(job), self.attempts.get(job)
        if again is None and asked is not None:
            again = Another(1, asked.function, asked.resources, asked.surroundings)
        if again is not None:
            self.attempts[job] = msgspec.structs.replace(again, attempt=entry.attempt)

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

    def _saved(self, entry: e.Saved, frames: Frames) -> None:
        """Let the job's next attempt go on from a checkpoint."""
        self._reach(entry.job + 1)
        asked, again = self.asked(entry.job), self.attempts.get(entry.job)
        if asked is None or self._states[entry.job] != JobState.QUEUED:
            return
        if again is None:
            again = Another(1, b"", asked.resources, asked.surroundings)
        self.attempts[entry.job] = msgspec.structs.replace(again, function=entry.digest)
        self.contents[entry.digest] = frames

    def _done(self, entry: e.Done, frames: Frames) -> None:
        self._end(entry.first, entry.stop, JobState.DONE)
        self.results.append((entry, frames))

    def _ended(self, entry: e.Ended, frames: Frames) -> None:
        self._end(entry.job, entry.job + 1, JobState.FAILED)
        self.failures[entry.job] = (entry, frames)

    def _gone(self, entry: e.Gone, _: Frames) -> None:
        self.runners.pop(entry.runner, None)

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
        for memory in (self.attempts, self.doubled, self.histories, self.failures):
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

    @property
    def jobs(self) -> int:
        """How many jobs the entries speak of."""
        return len(self._states)

    def count(self, state: JobState) -> int:
        """Return how many jobs are over in this way."""
        return self._states.count(state)

    @property
    def finished(self) -> bool:
        """Whether all jobs were handed in and every one is final."""
        over = self.count(JobState.DONE) + self.count(JobState.FAILED)
        return self.sealed and self.known == over == self.jobs

    def forget_failures(self) -> None:
        """Let jobs that ended badly be run again, with a clean slate."""
        for job in self.failures:
            self._states[job] = JobState.QUEUED
        self.failures.clear()

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
