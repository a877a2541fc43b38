"""What a map came to, from its events. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import events as ev
from gridmap.display.advice import Used
from gridmap.lifecycle import JobState
from gridmap.overview import Overview
from gridmap.overview.standing import NOBODY
from gridmap.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

_WORTH_MEASURING_S: Final = 1.0
"""Of work for each runner, below which its own start counts for too much."""


class Tally(msgspec.Struct, eq=False):
    """How a map stands, and what it took.

    Attributes:
        overview: How it stands.
        expected: How many jobs there will be; None if that is not known yet.
        seconds: How long its jobs took together.
        longest_s: How long the longest took, or the average of a batch of quick ones.
        peak: Most bytes one of them was seen to hold.
        retried: How many attempts were followed by another, by cause.
        failed: How many jobs ended badly, by cause.
        doubled: How many jobs were begun a second time, by how that ended.
        runners: Numbers of the runners that came up.
        kinds: How many jobs asked for what.
        said: The last that a running job said of itself; None if none did.
    """

    overview: Overview = msgspec.field(default_factory=Overview)
    expected: int | None = None
    seconds: float = 0.0
    longest_s: float = 0.0
    peak: int = 0
    retried: Counter[str] = msgspec.field(default_factory=Counter)
    failed: Counter[str] = msgspec.field(default_factory=Counter)
    doubled: Counter[str] = msgspec.field(default_factory=Counter)
    runners: set[int] = set()
    kinds: Counter[Resources] = msgspec.field(default_factory=Counter)
    said: ev.JobProgress | None = None
    _parts: dict[int, float] = {}
    _takers: dict[type[Any], Callable[[Any], None]] = msgspec.field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Say who takes in what."""
        self._takers = {
            ev.JobsQueued: self._queued,
            ev.JobsDone: self._done,
            ev.JobFailed: self._job_failed,
            ev.SpeculationEnded: self._speculation_ended,
            ev.JobProgress: self._progress,
            ev.RunnerVitals: self._vitals,
            ev.RunnerUp: lambda event: self.runners.add(event.runner),
        }

    def take(self, event: ev.AnyEvent) -> None:
        """Take in the next event."""
        self.overview.take(event)
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    @property
    def total(self) -> int:
        """How many jobs there are, or will be."""
        return max(self.expected or 0, self.overview.total)

    @property
    def done(self) -> int:
        """How many returned."""
        return self.overview.count(JobState.DONE)

    @property
    def lost(self) -> int:
        """How many ended badly."""
        return self.overview.count(JobState.FAILED)

    @property
    def part(self) -> float:
        """How much of the map is over, from 0 to 1, parts of running jobs counted."""
        over = self.done + self.lost + sum(self._parts.values())
        return min(1.0, over / self.total) if self.total else 0.0

    def used(self) -> Used | None:
        """Return what jobs asked for and used; None if they asked for various."""
        if len(self.kinds) > 1:
            return None
        asked = next(iter(self.kinds), Resources())
        busy = None
        if self.seconds >= _WORTH_MEASURING_S * max(1, len(self.runners)):
            busy = self.overview.cpu_s / self.seconds
        return Used(
            memory=asked.memory,
            peak=self.peak,
            walltime_s=asked.walltime,
            longest_s=self.longest_s,
            cores=asked.cores,
            busy_cores=busy,
        )

    def _queued(self, event: ev.JobsQueued) -> None:
        if event.resources is not None:
            self.kinds[event.resources] += event.stop - event.first

    def _done(self, event: ev.JobsDone) -> None:
        self.seconds += event.seconds
        mean = event.seconds / (event.stop - event.first)
        self.longest_s = max(self.longest_s, mean)
        self.peak = max(self.peak, event.peak_rss)
        self._over(event.first, event.stop)

    def _job_failed(self, event: ev.JobFailed) -> None:
        (self.retried if event.again else self.failed)[event.verdict.cause.value] += 1
        self.seconds += event.verdict.ran_s or 0.0
        self.peak = max(self.peak, event.verdict.peak_memory or 0)
        self._over(event.job, event.job + 1)

    def _speculation_ended(self, event: ev.SpeculationEnded) -> None:
        self.doubled[event.outcome] += 1
        self.seconds += event.lost_s

    def _over(self, first: int, stop: int) -> None:
        for job in [job for job in self._parts if first <= job < stop]:
            del self._parts[job]
        if self.said is not None and first <= self.said.job < stop:
            self.said = None

    def _progress(self, event: ev.JobProgress) -> None:
        states, holders = self.overview.states, self.overview.holders
        if event.job < len(states):
            second = holders[event.job] not in (NOBODY, event.runner)
            if second or states[event.job] != JobState.GRANTED:
                return  # it is over, or another attempt of it counts
        self.said = event
        if event.total is not None and event.total > 0:
            self._parts[event.job] = min(1.0, max(0.0, event.done / event.total))

    def _vitals(self, event: ev.RunnerVitals) -> None:
        if event.job is not None:
            self.peak = max(self.peak, event.peak_rss)
