"""How a run stands, to be looked at. Pure."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Mapping  # noqa: TC003 - a signature tells it
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.lifecycle import JobState
from gridmap.overview import views as v  # noqa: TC001 - likewise
from gridmap.overview.failures import Failures
from gridmap.overview.readings import Heartbeats
from gridmap.overview.views import JobView, Notice, RunnerView, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NOTICES: Final = 200
NOBODY: Final = -1
"""The holder of a job that no runner had."""

_RATE_S: Final = 20.0
"""What is taken for the present when a rate is asked for."""

_OVER: Final = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Standing(msgspec.Struct, eq=False):
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
    """

    token: str = ""
    name: str = ""
    backend: str = ""
    directory: str = ""
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    at: float = 0.0
    queries: Mapping[str, int] = {}
    states: bytearray = msgspec.field(default_factory=bytearray)
    runners: dict[int, RunnerView] = {}
    failures: Failures = msgspec.field(default_factory=Failures)
    causes: Counter[str] = msgspec.field(default_factory=Counter)
    notices: deque[Notice] = msgspec.field(
        default_factory=lambda: deque(maxlen=MOST_NOTICES)
    )
    samples: list[Sample] = []
    holders: array[int] = msgspec.field(default_factory=lambda: array("i"))
    seconds: array[float] = msgspec.field(default_factory=lambda: array("f"))
    ends: array[float] = msgspec.field(default_factory=lambda: array("f"))
    peaks: array[float] = msgspec.field(default_factory=lambda: array("f"))
    requests: list[v.Request] = []
    attempts: dict[int, int] = {}
    names: list[str] = []
    readings: Heartbeats = msgspec.field(default_factory=Heartbeats)
    lost_cpu_s: float = 0.0

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
            runner=None if holder == NOBODY else holder,
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
