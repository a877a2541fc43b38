"""What observers are told: every change of a run, its runners and its jobs.

Jobs come as ranges: ``first`` is included, ``stop`` is not. Times are seconds since
the epoch, on the clock of the user's process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from gridmap.comparing import Comparing
from gridmap.concealing import Concealing
from gridmap.explanation import Explanation
from gridmap.resources import Resources
from gridmap.verdict import Verdict


class Event(Comparing, Concealing, msgspec.Struct, frozen=True, kw_only=True):
    """Something happened.

    Attributes:
        run: The run's token.
        at: When.
    """

    run: str
    at: float


class RunStarted(Event, frozen=True, kw_only=True):
    """A run opened its socket.

    Attributes:
        name: Its name.
        backend: Name of the backend that will start its runners.
        directory: Where it keeps its files.
        completion_mail: Whether its user asked to be mailed when it is over.
        settings: What it goes by, by name; the backends' own options are left out.
    """

    name: str
    backend: str
    directory: str
    completion_mail: bool = False
    settings: Mapping[str, object] = msgspec.field(default_factory=dict)


class RunEnded(Event, frozen=True, kw_only=True):
    """A run is over.

    Attributes:
        error: The text of the exception that ended it; None if there was none.
        queries: How many queries its scheduler got of it, by purpose: see
            `gridmap.desk.Purpose`.
        turned_away: What strangers and misbehaving runners tried, in words, and how
            often; empty if nobody did.
    """

    error: str | None
    queries: Mapping[str, int] = msgspec.field(default_factory=dict)
    turned_away: Mapping[str, int] = msgspec.field(default_factory=dict)


class JobsQueued(Event, frozen=True, kw_only=True):
    """Jobs were handed in.

    Attributes:
        first: The first.
        stop: One past the last.
        resources: What each of them needs.
        names: What their user calls them, one name for each; empty if he gave them
            none of their own.
    """

    first: int
    stop: int
    resources: Resources | None = None
    names: tuple[str, ...] = ()


class JobsRestored(Event, frozen=True, kw_only=True):
    """A run was taken over from an earlier process of its user's.

    Attributes:
        jobs: How many jobs it knows of.
        done: How many of them had returned.
        failed: How many had ended badly, and are not run again.
        states: One byte a job, a `gridmap.lifecycle.JobState`.
    """

    concealed = frozenset({"states"})  # too long to read

    jobs: int
    done: int
    failed: int
    states: bytes = b""


class JobsGranted(Event, frozen=True, kw_only=True):
    """Jobs were given to a runner, for the ``attempt``-th time."""

    first: int
    stop: int
    runner: int
    attempt: int


class JobSpeculated(Event, frozen=True, kw_only=True):
    """A job that takes long was begun a second time; its first attempt goes on.

    Attributes:
        job: The job.
        runner: Who runs the second attempt.
        attempt: The number of that.
        first: Who runs the first.
        ran_s: Seconds for which that had run.
        patience_s: Seconds that the job was allowed, as its like took.
    """

    job: int
    runner: int
    attempt: int
    first: int
    ran_s: float
    patience_s: float


class SpeculationEnded(Event, frozen=True, kw_only=True):
    """A job has one attempt again, or none.

    Attributes:
        job: The job.
        runner: Who ran the second attempt.
        attempt: The number of that.
        outcome: ``"won"``: it returned first, and the first attempt counts no more.
            ``"took over"``: the first attempt ended badly, and this one is the job's.
            ``"failed"``: it ended badly, which counts for nothing: the first goes on.
            ``"dropped"``: the job was over first, or its runner was needed.
        text: Why, in words.
        lost_s: Seconds for which the attempt had run that was for nothing, as far as
            is known; 0.0 if there is none.
    """

    job: int
    runner: int
    attempt: int
    outcome: str
    text: str
    lost_s: float = 0.0


class JobsDone(Event, frozen=True, kw_only=True):
    """Jobs returned a value.

    Attributes:
        first: The first.
        stop: One past the last.
        runner: Who ran them.
        seconds: How long they took together.
        peak_rss: Most bytes of memory the last of them was seen to hold; 0 if it was
            not looked at, as for quick jobs.
    """

    first: int
    stop: int
    runner: int
    seconds: float
    peak_rss: int = 0


class JobFailed(Event, frozen=True, kw_only=True):
    """A job ended badly.

    Attributes:
        job: Its number in the run.
        verdict: Why.
        again: Whether it will be run once more.
        resources: With what; None: with what it had, or not at all.
        delay_s: Seconds it waits first.
        avoid: Nodes it is kept from.
        traceback: Where its exception was raised, at most about 10,000 characters;
            empty if none was.
    """

    job: int
    verdict: Verdict
    again: bool
    resources: Resources | None = None
    delay_s: float = 0.0
    avoid: frozenset[str] = frozenset()
    traceback: str = ""


class JobsCancelled(Event, frozen=True, kw_only=True):
    """Jobs were taken back by the user; those among them that were over stay so."""

    first: int
    stop: int


class RunnersSubmitted(Event, frozen=True, kw_only=True):
    """The scheduler took runners: numbers and handles, in the same order."""

    runners: tuple[int, ...]
    handles: tuple[str, ...]


class RunnersRejected(Event, frozen=True, kw_only=True):
    """The scheduler turned runners away, which therefore never were.

    Attributes:
        count: How many, of one submission.
        reason: What it said to the first of them.
        again_s: Seconds until they are asked for again; None if they are not: then
            their jobs fail.
    """

    count: int
    reason: str
    again_s: float | None

    @property
    def why(self) -> str:
        """All of it as one line, for people."""
        some = "a runner" if self.count == 1 else f"{self.count:,} runners"
        then = "not asked for again"
        if self.again_s is not None:
            then = (
                f"asked for again in {self.again_s:.0f} s"
                if self.again_s
                else "asked for again"
            )
        return f"{some} turned away, {then}: {self.reason}"


class RunnerPending(Event, frozen=True, kw_only=True):
    """The scheduler said why a runner does not start yet.

    Attributes:
        runner: Its number.
        handle: Its handle.
        reason: The scheduler's reason, in its own words.
        up: How many runners for the same jobs are up: if there are some, waiting for
            one more is no trouble.
        meaning: What the reason means, in plain words; empty if nobody knows.
        advice: What to change; empty if nobody knows.
        waited_s: Seconds it has waited so far.
    """

    runner: int
    handle: str
    reason: str
    up: int = 0
    meaning: str = ""
    advice: str = ""
    waited_s: float = 0.0

    @property
    def why(self) -> str:
        """All of it as one line, for people."""
        why = Explanation(reason=self.reason, meaning=self.meaning, advice=self.advice)
        return str(why)


class RunnerUp(Event, frozen=True, kw_only=True):
    """A runner said hello."""

    runner: int
    handle: str | None
    node: str
    pid: int


class RunnerVitals(Event, frozen=True, kw_only=True):
    """A runner's heartbeat.

    Attributes:
        cpu_s: Processor seconds its worker's whole tree used so far.
        rss: Bytes of memory the tree holds now.
        peak_rss: Most it ever held, bytes.
        io_bytes: Bytes the tree read and wrote so far.
        job: The job it is running; None if it is idle.
        running_s: For how long, seconds.
    """

    runner: int
    cpu_s: float
    rss: int
    peak_rss: int
    io_bytes: int
    job: int | None
    running_s: float


class JobProgress(Event, frozen=True, kw_only=True):
    """A job said how far it is: see `gridmap.progress`.

    It comes with heartbeats, and within a second where somebody watches.

    Attributes:
        job: The job.
        runner: Who runs it.
        done: How much is done, in whatever the job counts.
        total: How much there is to do; None if the job does not know.
        text: What it is at.
    """

    job: int
    runner: int
    done: float
    total: float | None = None
    text: str = ""


class JobOutput(Event, frozen=True, kw_only=True):
    """A job printed something. Comes only where somebody asked for it.

    Attributes:
        job: The job; None if that is not known.
        runner: Who runs it.
        text: What it printed, in whatever pieces it came.
        lost: Bytes printed after that and left out, for there were too many.
    """

    job: int | None
    runner: int
    text: str
    lost: int = 0


class RunnerGone(Event, frozen=True, kw_only=True):
    """A runner is over; ``text`` says how it is known."""

    runner: int
    text: str


class EventsMissed(Event, frozen=True, kw_only=True):
    """So many events were left out here, for their observer was far behind."""

    count: int


AnyEvent: TypeAlias = (
    RunStarted
    | RunEnded
    | JobsQueued
    | JobsRestored
    | JobsGranted
    | JobSpeculated
    | SpeculationEnded
    | JobsDone
    | JobsCancelled
    | JobFailed
    | RunnersSubmitted
    | RunnersRejected
    | RunnerPending
    | RunnerUp
    | RunnerVitals
    | JobProgress
    | JobOutput
    | RunnerGone
    | EventsMissed
)
