"""How a run stands: what its events come to. Pure.

`Overview` takes in a run's events one by one, in their order, and can be looked at
between any two of them. A status line, a full-screen view, a web page and the record of
a run that is over are all made of one. It reads no clock, and what it holds is bounded:
17 bytes a job and its name, and for everything else the latest of it.

A thread that takes in events and one that looks need a lock around both.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from gridmap import events as ev
from gridmap.lifecycle import JobState
from gridmap.overview import views as v
from gridmap.overview.failures import Failures
from gridmap.overview.readings import Heartbeats
from gridmap.overview.views import JobView, Notice, RunnerView, Sample

MOST_NAMES: Final = 100_000
"""Jobs whose own names are remembered, the first of them."""

MOST_GONE: Final = 1_000
"""Runners that are remembered when they are gone."""

MOST_NOTICES: Final = 200
MOST_SAMPLES: Final = 600
"""When there are so many, every second one goes, and they are taken half as often."""

_FIRST_PAUSE_S: Final = 1.0
_RATE_S: Final = 20.0
"""What is taken for the present when a rate is asked for."""

_NOBODY: Final = -1


@attrs.define(eq=False)
class Overview:
    """How a run stands.

    Attributes:
        token: The run's token; empty until it started.
        name: Its name.
        backend: Name of its backend.
        directory: Where it keeps its files.
        started: When it started; None until it did.
        ended: When it was over; None until it was.
        error: The text of the exception that ended it; None if there was none.
        at: When the last event was.
        queries: How many queries its scheduler got, by purpose; known at its end.
        states: One `JobState` a job.
        runners: Its runners by number, those that are gone too, up to a bound.
        failures: Jobs that ended badly, finally or for a time, the latest of them.
        causes: How many attempts ended badly, by the value of their cause.
        notices: What happened lately, oldest first.
        samples: How it stood from its beginning on, oldest first.
        holders: One runner's number a job, of the one that had it last; -1: none.
        seconds: How long a job took, for each that is over, as far as is known.
        ends: When it was over, seconds since the start; 0: it is not, or nobody knows.
        peaks: Most bytes it was seen to hold, by heartbeats; 0: none saw it.
        requests: What was asked for, by stretches of jobs, the first of them.
        attempts: Jobs whose attempt is not the first.
        names: What jobs are called, by number, as far as they have names of their own;
            empty: it has none.
        readings: Heartbeats, by runner.
        lost_cpu_s: Processor seconds of runners that are forgotten.

    Example:
        >>> from gridmap.events import JobsDone, JobsQueued
        >>> overview = Overview()
        >>> overview.take(JobsQueued(run="a", at=1.0, first=0, stop=10))
        >>> overview.take(
        ...     JobsDone(run="a", at=2.0, first=0, stop=4, runner=1, seconds=2)
        ... )
        >>> overview.count(JobState.DONE), overview.count(JobState.QUEUED)
        (4, 6)
    """

    token: str = ""
    name: str = ""
    backend: str = ""
    directory: str = ""
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    at: float = 0.0
    queries: Mapping[str, int] = attrs.field(factory=dict)
    states: bytearray = attrs.field(factory=bytearray)
    runners: dict[int, RunnerView] = attrs.field(factory=dict)
    failures: Failures = attrs.field(factory=Failures)
    causes: Counter[str] = attrs.field(factory=Counter)
    notices: deque[Notice] = attrs.field(factory=lambda: deque(maxlen=MOST_NOTICES))
    samples: list[Sample] = attrs.field(factory=list)
    holders: array[int] = attrs.field(factory=lambda: array("i"))
    seconds: array[float] = attrs.field(factory=lambda: array("f"))
    ends: array[float] = attrs.field(factory=lambda: array("f"))
    peaks: array[float] = attrs.field(factory=lambda: array("f"))
    requests: list[v.Request] = attrs.field(factory=list)
    attempts: dict[int, int] = attrs.field(factory=dict)
    names: list[str] = attrs.field(factory=list)
    readings: Heartbeats = attrs.field(factory=Heartbeats)
    _handed_in: tuple[Notice | None, int] = (None, 0)
    _gone: deque[int] = attrs.field(factory=deque)
    lost_cpu_s: float = 0.0
    _pause_s: float = _FIRST_PAUSE_S
    _takers: dict[type[Any], Callable[[Any], None]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Say who takes in what."""
        self._takers = {
            ev.RunStarted: self._run_started,
            ev.RunEnded: self._run_ended,
            ev.JobsQueued: self._queued,
            ev.JobsRestored: self._restored,
            ev.JobsGranted: self._granted,
            ev.JobsDone: self._done,
            ev.JobsCancelled: self._cancelled,
            ev.JobFailed: self._failed,
            ev.JobProgress: self._progressed,
            ev.RunnersSubmitted: self._submitted,
            ev.RunnerPending: self._pending,
            ev.RunnerUp: self._up,
            ev.RunnerVitals: self._vitals,
            ev.RunnerGone: self._runner_gone,
            ev.EventsMissed: self._missed,
        }

    def take(self, event: ev.Event) -> None:
        """Take in the next event; one of a kind that it does not know counts as time."""
        self.at = max(self.at, event.at)
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)
        if not self.samples or self.at - self.samples[-1].at >= self._pause_s:
            self._sample()

    # Looking ------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many jobs there are so far."""
        return len(self.states)

    def count(self, state: JobState) -> int:
        """Return how many jobs are in a state."""
        return self.states.count(state)

    @property
    def up(self) -> list[RunnerView]:
        """The runners that are up, by number."""
        return [runner for runner in self.runners.values() if runner.state == "up"]

    @property
    def pending(self) -> dict[str, int]:
        """How many runners wait, by the scheduler's reason; empty: it gave none."""
        waiting = (r for r in self.runners.values() if r.state == "queued")
        return dict(Counter(runner.reason for runner in waiting).most_common())

    @property
    def running(self) -> int:
        """How many runners have jobs, as far as is known: so many jobs run now."""
        granted = self.count(JobState.GRANTED)
        return min(granted, len(self.up))

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all runners, those that are gone too."""
        return self.lost_cpu_s + sum(r.cpu_s for r in self.runners.values())

    @property
    def rss(self) -> int:
        """Bytes of memory that runners hold now, all together."""
        return sum(runner.rss for runner in self.up)

    def rate(self) -> float | None:
        """Return how many jobs end in a second at present; None if nobody can tell."""
        now = self.at if self.ended is None else self.ended
        first = next((s for s in self.samples if s.at >= now - _RATE_S), None)
        if self.ended is not None or first is None:
            first = self.samples[0] if self.samples else None
        if first is None or now - first.at <= 0:
            return None
        over = self.count(JobState.DONE) + self.count(JobState.FAILED)
        return (over - first.done - first.failed) / (now - first.at)

    def remaining_s(self) -> float | None:
        """Return how many seconds it may take yet; None if nobody can tell."""
        rate = self.rate()
        left = self.total - sum(map(self.count, _OVER))
        if not rate or self.ended is not None:
            return None
        return left / rate

    def job(self, number: int) -> JobView:
        """Return one job.

        Raises:
            IndexError: If there is no such job.
        """
        if not 0 <= number < len(self.states):
            msg = f"there is no job {number}"
            raise IndexError(msg)
        state, holder = JobState(self.states[number]), self.holders[number]
        return JobView(
            job=number,
            state=state,
            runner=None if holder == _NOBODY else holder,
            seconds=self.seconds[number] if state is JobState.DONE else None,
            attempt=self.attempts.get(number, 1),
            name=self.names[number] if number < len(self.names) else "",
            ended=self.ends[number] or None,
            peak=int(self.peaks[number]) or None,
        )

    def find(
        self, state: JobState | None = None, first: int = 0, most: int = 100
    ) -> Iterator[JobView]:
        """Yield jobs from one on, all or those in a state; quick for millions."""
        at = first
        for _ in range(most):
            at = at if state is None else self.states.find(state, at)
            if not 0 <= at < len(self.states):
                return
            yield self.job(at)
            at += 1

    # The run ------------------------------------------------------------------------

    def _note(self, event: ev.Event, text: str) -> None:
        self.notices.append(Notice(at=event.at, text=text))

    def _run_started(self, event: ev.RunStarted) -> None:
        self.token, self.name, self.backend = event.run, event.name, event.backend
        self.directory, self.started = event.directory, event.at
        self._note(event, f"run {event.name} started on backend {event.backend}")

    def _run_ended(self, event: ev.RunEnded) -> None:
        self.ended, self.error, self.queries = event.at, event.error, event.queries
        for runner in self.up:
            runner.rss = 0
        ended = "the run ended"
        self._note(event, f"{ended}: {event.error}" if event.error else ended)
        self._sample()

    def _missed(self, event: ev.EventsMissed) -> None:
        self._note(event, f"{event.count:,} events were missed: this may not be true")

    def _sample(self) -> None:
        self.samples.append(
            Sample(
                at=self.at,
                done=self.count(JobState.DONE),
                failed=self.count(JobState.FAILED),
                up=len(self.up),
                cpu_s=self.cpu_s,
                rss=self.rss,
            )
        )
        if len(self.samples) >= MOST_SAMPLES:
            del self.samples[1:-1:2]
            self._pause_s *= 2

    # Jobs ---------------------------------------------------------------------------

    def _grow(self, stop: int) -> None:
        """Have room for jobs up to one; events of a run may be lost before we came."""
        more = stop - len(self.states)
        if more > 0:
            self.states.extend(bytes((JobState.QUEUED,)) * more)
            self.holders.extend(array("i", (_NOBODY,)) * more)
            for values in (self.seconds, self.ends, self.peaks):
                values.extend(array("f", (0.0,)) * more)

    def _set(self, first: int, stop: int, state: JobState) -> None:
        self._grow(stop)
        self.states[first:stop] = bytes((state,)) * (stop - first)

    def _queued(self, event: ev.JobsQueued) -> None:
        self._grow(event.stop)
        v.Request.add(event, self.requests)
        if event.names:
            unnamed = max(0, min(event.first, MOST_NAMES) - len(self.names))
            self.names += [""] * unnamed
            self.names += event.names[: MOST_NAMES - len(self.names)]
        count = event.stop - event.first
        if self.notices and self.notices[-1] is self._handed_in[0]:
            self.notices.pop()  # some call each job in by itself
            count += self._handed_in[1]
        self._note(event, f"{count:,} jobs were handed in")
        self._handed_in = self.notices[-1], count

    def _restored(self, event: ev.JobsRestored) -> None:
        self._grow(event.jobs)
        self.states[: len(event.states)] = event.states
        text = f"taken over: {event.jobs:,} jobs, {event.done:,} done"
        self._note(event, f"{text}, {event.failed:,} failed")

    def _granted(self, event: ev.JobsGranted) -> None:
        first, stop = event.first, event.stop
        self._set(first, stop, JobState.GRANTED)
        self.holders[first:stop] = array("i", (event.runner,)) * (stop - first)
        if event.attempt > 1:
            for job in range(first, stop):
                self.attempts[job] = event.attempt

    def _done(self, event: ev.JobsDone) -> None:
        first, stop = event.first, event.stop
        self._set(first, stop, JobState.DONE)
        mean = event.seconds / (stop - first)
        self.seconds[first:stop] = array("f", (mean,)) * (stop - first)
        last = event.at - (self.started or event.at)  # they ran one after another
        before = (last - mean * (stop - 1 - job) for job in range(first, stop))
        self.ends[first:stop] = array("f", before)
        self._peak(stop - 1, event.peak_rss)
        self.holders[first:stop] = array("i", (event.runner,)) * (stop - first)
        if runner := self.runners.get(event.runner):
            runner.done += stop - first
            runner.busy_s += event.seconds

    def _cancelled(self, event: ev.JobsCancelled) -> None:
        self._grow(event.stop)
        for state in (JobState.QUEUED, JobState.GRANTED, JobState.DELAYED):
            at = self.states.find(state, event.first, event.stop)
            while at >= 0:
                self.states[at] = JobState.CANCELLED
                at = self.states.find(state, at + 1, event.stop)
        self._note(event, f"{event.stop - event.first:,} jobs were taken back")

    def _failed(self, event: ev.JobFailed) -> None:
        if not event.again:
            state = JobState.FAILED
        else:
            state = JobState.DELAYED if event.delay_s > 0 else JobState.QUEUED
        self._set(event.job, event.job + 1, state)
        verdict = event.verdict
        if not event.again:
            self.ends[event.job] = event.at - (self.started or event.at)
            self.seconds[event.job] = verdict.ran_s or 0.0
        self._peak(event.job, verdict.peak_memory or 0)
        self.causes[verdict.cause.value] += 1
        self.failures.take(event)
        after = ", is run again" if event.again else ""
        self._note(event, f"job {event.job}, {verdict.summary()}{after}")

    # Runners ------------------------------------------------------------------------

    def _runner(self, number: int, handle: str | None, at: float) -> RunnerView:
        """Return a runner, one that nobody told of before too."""
        runner = self.runners.get(number)
        if runner is None:
            runner = self.runners[number] = RunnerView(
                number=number, handle=handle or "", state="queued", since=at
            )
        runner.handle = handle or runner.handle
        return runner

    def _submitted(self, event: ev.RunnersSubmitted) -> None:
        for number, handle in zip(event.runners, event.handles, strict=True):
            runner = self._runner(number, handle, event.at)
            runner.state, runner.since = "queued", event.at
        first, last = event.handles[0], event.handles[-1]
        span = first if first == last else f"{first} to {last}"
        self._note(event, f"{len(event.handles):,} runners submitted: {span}")

    def _pending(self, event: ev.RunnerPending) -> None:
        runner = self._runner(event.runner, event.handle, event.at)
        if runner.reason != event.why:
            runner.reason = event.why
            if event.why not in (r.text for r in self.notices):
                self._note(event, event.why)

    def _up(self, event: ev.RunnerUp) -> None:
        runner = self._runner(event.runner, event.handle, event.at)
        runner.state, runner.since, runner.reason = "up", event.at, ""
        runner.node, runner.pid = event.node, event.pid
        self._note(event, f"runner {runner.handle or runner.number} up on {event.node}")

    def _vitals(self, event: ev.RunnerVitals) -> None:
        self._runner(event.runner, None, event.at).beat(event)
        if event.job is not None:
            self._grow(event.job + 1)
            self._peak(event.job, event.peak_rss)
        self.readings.take(event, max(0.0, event.at - (self.started or event.at)))

    def _peak(self, job: int, held: int) -> None:
        self.peaks[job] = max(self.peaks[job], held)

    def _progressed(self, event: ev.JobProgress) -> None:
        self._runner(event.runner, None, event.at).told(event)

    def _runner_gone(self, event: ev.RunnerGone) -> None:
        runner = self._runner(event.runner, None, event.at)
        runner.go(event)
        self._put_back(event.runner)
        self._gone.append(event.runner)
        if len(self._gone) > MOST_GONE:
            number = self._gone.popleft()
            old = self.runners.pop(number, None)
            self.readings.forget(number)
            self.lost_cpu_s += old.cpu_s if old else 0.0
        self._note(event, f"runner {runner.handle or runner.number}: {event.text}")

    def _put_back(self, number: int) -> None:
        """Jobs that a runner held when it went are for others."""
        at = self.states.find(JobState.GRANTED)
        while at >= 0:
            if self.holders[at] == number:
                self.states[at] = JobState.QUEUED
            at = self.states.find(JobState.GRANTED, at + 1)


_OVER: Final = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
