"""How a run stands: what its events come to. Pure.

`Overview` takes in a run's events one by one, in their order, and can be looked at
between any two of them. A status line, a full-screen view, a web page and the record of
a run that is over are all made of one. It reads no clock, and what it holds is bounded:
17 bytes a job and its name, and for everything else the latest of it.

A thread that takes in events and one that looks need a lock around both.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable  # noqa: TC003 - a signature tells them
from typing import Any, Final

import msgspec

from gridmap import events as ev
from gridmap.lifecycle import JobState
from gridmap.overview import views as v
from gridmap.overview.standing import NOBODY, Standing
from gridmap.overview.views import Notice, RunnerView, Sample

MOST_NAMES: Final = 100_000
"""Jobs whose own names are remembered, the first of them."""

MOST_GONE: Final = 1_000
"""Runners that are remembered when they are gone."""

MOST_SAMPLES: Final = 600
"""When there are so many, every second one goes, and they are taken half as often."""

_FIRST_PAUSE_S: Final = 1.0


class Overview(Standing, eq=False):
    """How a run stands, for as long as it is told its events.

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

    _handed_in: tuple[Notice | None, int] = (None, 0)
    _gone: deque[int] = msgspec.field(default_factory=deque)
    _pause_s: float = _FIRST_PAUSE_S
    _takers: dict[type[Any], Callable[[Any], None]] = msgspec.field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Say who takes in what."""
        self._takers = {
            ev.RunStarted: self._run_started,
            ev.RunEnded: self._run_ended,
            ev.JobsQueued: self._queued,
            ev.JobsRestored: self._restored,
            ev.JobsGranted: self._granted,
            ev.JobSpeculated: self._speculated,
            ev.SpeculationEnded: self._speculation_ended,
            ev.JobsDone: self._done,
            ev.JobsCancelled: self._cancelled,
            ev.JobFailed: self._failed,
            ev.JobProgress: self._progressed,
            ev.RunnersSubmitted: self._submitted,
            ev.RunnersRejected: self._rejected,
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
            self.holders.extend(array("i", (NOBODY,)) * more)
            zeros = bytes(self.seconds.itemsize * more)
            for values in (self.seconds, self.ends, self.peaks):
                values.frombytes(zeros)

    def _set(self, first: int, stop: int, state: JobState, runner: int) -> None:
        """Note the state of jobs, and who has or had them."""
        self._grow(stop)
        _fill(self.states, first, stop, state)
        _fill(self.holders, first, stop, runner)

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
        self._note(event, f"{_jobs(count)} handed in")
        self._handed_in = self.notices[-1], count

    def _restored(self, event: ev.JobsRestored) -> None:
        self._grow(event.jobs)
        self.states[: len(event.states)] = event.states
        self.samples.clear()  # what was done before is no part of how fast it goes
        self._sample()
        jobs = "1 job" if event.jobs == 1 else f"{event.jobs:,} jobs"
        text = f"taken over: {jobs}, {event.done:,} done"
        self._note(event, f"{text}, {event.failed:,} failed")

    def _granted(self, event: ev.JobsGranted) -> None:
        first, stop = event.first, event.stop
        self._set(first, stop, JobState.GRANTED, event.runner)
        if event.attempt > 1:
            for job in range(first, stop):
                self.attempts[job] = event.attempt
        runner = self.runners.get(event.runner)
        if runner is not None and runner.job is None:
            runner.take_up(first, event.at)

    def _speculated(self, event: ev.JobSpeculated) -> None:
        self._grow(event.job + 1)
        runner = self._runner(event.runner, None, event.at)
        runner.take_up(event.job, event.at)
        where = f" on {runner.node}" if runner.node else ""
        text = f"job {event.job} has run for {event.ran_s:.0f} s, longer than others"
        self._note(event, f"{text}: begun a second time{where}")

    def _speculation_ended(self, event: ev.SpeculationEnded) -> None:
        """Note which attempt counts; who ran the other is done with it."""
        job, known = event.job, self.runners
        if event.outcome != "took over":
            won = event.outcome == "won"
            loser = known.get(self.holders[job] if won else event.runner)
            if loser is not None and loser.job == job:
                loser.take_up(None, None)
        text = f"job {job}, second attempt {event.outcome}: {event.text}"
        self._note(event, text)

    def _done(self, event: ev.JobsDone) -> None:
        first, stop = event.first, event.stop
        self._set(first, stop, JobState.DONE, event.runner)
        mean = event.seconds / (stop - first)
        _fill(self.seconds, first, stop, mean)
        last = event.at - (self.started or event.at)
        for job in range(first, stop):  # they ran one after another
            self.ends[job] = last - mean * (stop - 1 - job)
        self._peak(stop - 1, event.peak_rss)
        if runner := self.runners.get(event.runner):
            runner.done += stop - first
            runner.busy_s += event.seconds
            self._go_on(runner, first, stop, event.at)

    def _go_on(self, runner: RunnerView, first: int, stop: int, at: float) -> None:
        """Have a runner whose job is over take up the next of its jobs, if it has it."""
        if runner.job is None or not first <= runner.job < stop:
            return
        more = self._has(runner, stop)
        runner.take_up(stop if more else None, at if more else None)

    def _has(self, runner: RunnerView, job: int | None) -> bool:
        """Whether a runner was given a job that is not over."""
        if job is None or job >= len(self.states):
            return False
        given = self.holders[job] == runner.number
        return given and self.states[job] == JobState.GRANTED

    def _cancelled(self, event: ev.JobsCancelled) -> None:
        self._grow(event.stop)
        for state in (JobState.QUEUED, JobState.GRANTED, JobState.DELAYED):
            at = self.states.find(state, event.first, event.stop)
            while at >= 0:
                self.states[at] = JobState.CANCELLED
                at = self.states.find(state, at + 1, event.stop)
        self._note(event, f"{_jobs(event.stop - event.first)} taken back")

    def _failed(self, event: ev.JobFailed) -> None:
        if not event.again:
            state = JobState.FAILED
        else:
            state = JobState.DELAYED if event.delay_s > 0 else JobState.QUEUED
        self._grow(event.job + 1)
        self.states[event.job] = state
        verdict = event.verdict
        if not event.again:
            self.ends[event.job] = event.at - (self.started or event.at)
            self.seconds[event.job] = self._ran_s(event)
        self._peak(event.job, verdict.peak_memory or 0)
        self.causes[verdict.cause.value] += 1
        if runner := self.runners.get(self.holders[event.job]):
            self._go_on(runner, event.job, event.job + 1, event.at)
        self.failures.take(event)
        after = ", is run again" if event.again else ""
        self._note(event, f"job {event.job}, {verdict.summary()}{after}")

    def _ran_s(self, event: ev.JobFailed) -> float:
        """Return how long an attempt took: by its heartbeats, else since it was begun."""
        runner = self.runners.get(self.holders[event.job])
        if event.verdict.ran_s is not None or runner is None:
            return event.verdict.ran_s or 0.0
        if runner.job != event.job or runner.job_since is None:
            return 0.0
        return max(0.0, event.at - runner.job_since)

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
        some = "1 runner" if first == last else f"{len(event.handles):,} runners"
        self._note(event, f"{some} submitted: {span}")

    def _rejected(self, event: ev.RunnersRejected) -> None:
        self._note(event, event.why)

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
        runner = self._runner(event.runner, None, event.at)
        runner.beat(event, busy=self._has(runner, runner.job))
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
        self._note(event, f"runner {runner.handle or runner.number} gone: {event.text}")

    def _put_back(self, number: int) -> None:
        """Jobs that a runner held when it went are for others."""
        at = self.states.find(JobState.GRANTED)
        while at >= 0:
            if self.holders[at] == number:
                self.states[at] = JobState.QUEUED
            at = self.states.find(JobState.GRANTED, at + 1)


def _fill(values: Any, first: int, stop: int, value: float) -> None:
    """Set some values of an array, or bytes, to one that they have alike."""
    values[first] = value
    if stop - first > 1:
        values[first:stop] = values[first : first + 1] * (stop - first)


def _jobs(count: int) -> str:
    return "1 job was" if count == 1 else f"{count:,} jobs were"
