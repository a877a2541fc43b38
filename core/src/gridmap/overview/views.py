"""What an overview shows: runners, jobs, failures, notices, samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.lifecycle import JobState  # noqa: TC001 - msgspec evaluates it: records
from gridmap.verdict import Verdict  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from gridmap.events import JobProgress, JobsQueued, RunnerGone, RunnerVitals

MOST_REQUESTS: Final = 1_000


class RunnerView(msgspec.Struct, kw_only=True):
    """A runner.

    Attributes:
        number: Its number in the run.
        handle: The scheduler's name for it.
        state: ``"queued"``, ``"up"`` or ``"gone"``.
        since: When it came into that state.
        node: Where it runs; empty if it does not yet.
        pid: Its process there; 0 likewise.
        reason: Why it waits, as the scheduler said, or how it ended; empty if nobody
            said.
        heard: When its last heartbeat came; None if none did.
        cpu_s: Processor seconds its worker's whole tree used so far.
        rss: Bytes of memory the tree holds now.
        peak_rss: Most it ever held, bytes.
        io_bytes: Bytes the tree read and wrote so far.
        job: The job it runs, as far as is known; None if it is idle.
        job_since: When that began, seconds since the epoch; None likewise.
        progress: How far that job is, in its own words; empty if it did not say.
        done: How many jobs returned from it.
        busy_s: How long these took together, seconds.
    """

    number: int
    handle: str
    state: str
    since: float
    node: str = ""
    pid: int = 0
    reason: str = ""
    heard: float | None = None
    cpu_s: float = 0.0
    rss: int = 0
    peak_rss: int = 0
    io_bytes: int = 0
    job: int | None = None
    job_since: float | None = None
    progress: str = ""
    done: int = 0
    busy_s: float = 0.0

    def beat(self, event: RunnerVitals, *, busy: bool = False) -> None:
        """Take in a heartbeat.

        Args:
            event: The heartbeat.
            busy: Whether it has its job still, so that one that tells of none is old.
        """
        self.heard = event.at
        self.cpu_s = max(self.cpu_s, event.cpu_s)
        self.rss, self.io_bytes = event.rss, event.io_bytes
        self.peak_rss = max(self.peak_rss, event.peak_rss)
        if event.job is not None or not busy:
            since = None if event.job is None else event.at - event.running_s
            self.take_up(event.job, since)

    def take_up(self, job: int | None, since: float | None) -> None:
        """Note which job it runs now, and since when."""
        if job != self.job:
            self.progress = ""
        self.job, self.job_since = job, since

    def told(self, event: JobProgress) -> None:
        """Take in how far its job is."""
        of = f" of {event.total:g}" if event.total else ""
        if event.job != self.job:
            self.take_up(event.job, event.at)
        self.progress = f"{event.done:g}{of} {event.text}".rstrip()

    def go(self, event: RunnerGone) -> None:
        """Note that it is gone."""
        self.state, self.since, self.reason = "gone", event.at, event.text
        self.rss = 0
        self.take_up(None, None)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs asked for.

    Attributes:
        first: The first of them.
        stop: One past the last.
        memory: Bytes a job is to be held to, or is promised; None: the site's default.
        walltime: Seconds a runner is to have; None likewise.
        cores: Processors.
    """

    first: int
    stop: int
    memory: int | None
    walltime: int | None
    cores: int

    @classmethod
    def add(cls, event: JobsQueued, known: list[Request]) -> None:
        """Add what an event tells, joined to the last of its kind, up to a bound."""
        asked = event.resources
        if asked is None:
            return
        last = known[-1] if known else None
        memory = asked.memory_limit or asked.memory
        what = (memory, asked.walltime, asked.cores)
        if last is not None and what == (last.memory, last.walltime, last.cores):
            known[-1] = msgspec.structs.replace(last, stop=event.stop)
        elif len(known) < MOST_REQUESTS:
            known.append(
                cls(
                    first=event.first,
                    stop=event.stop,
                    memory=memory,
                    walltime=asked.walltime,
                    cores=asked.cores,
                )
            )


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt of a job ended badly.

    Attributes:
        job: The job.
        at: When.
        verdict: Why.
        again: Whether it is run once more.
        traceback: Where its exception was raised; empty if none was, or if so many
            others were raised since.
    """

    job: int
    at: float
    verdict: Verdict
    again: bool
    traceback: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, in words.

    Attributes:
        at: When.
        text: What.
    """

    at: float
    text: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """How the run stood at one time, for curves.

    Attributes:
        at: When.
        done: Jobs that had returned.
        failed: Jobs that had ended badly.
        up: Runners that were up.
        cpu_s: Processor seconds of all runners, those that are gone too.
        rss: Bytes of memory of all runners then.
    """

    at: float
    done: int
    failed: int
    up: int
    cpu_s: float
    rss: int


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job.

    Attributes:
        job: Its number in the run.
        state: Where it is.
        runner: The runner that had it last; None if none had.
        seconds: How long it took, about: jobs that are reported together share their
            time; None if it has not returned.
        attempt: Its attempt now, from 1.
        name: Its own name; empty if it has none.
        ended: When it was over, seconds since the run's start; None if it is not, or
            nobody knows.
        peak: Most bytes it was seen to hold; None if no heartbeat saw it.
    """

    job: int
    state: JobState
    runner: int | None
    seconds: float | None
    attempt: int
    name: str = ""
    ended: float | None = None
    peak: int | None = None
