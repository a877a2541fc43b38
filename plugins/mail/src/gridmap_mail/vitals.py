"""Memory and processor use of jobs over time, in bounded room. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from gridmap.events import JobsDone, RunnerVitals

MOST_POINTS: Final = 240
"""Points kept of one job, however long it runs; twice as many would not show."""

LEAST_STEP_S: Final = 0.1
"""Points that are nearer to each other tell nothing of processor use."""

MOST_JOBS: Final = 20_000
"""Jobs kept at a time; those that begin beyond that have no plot."""


@attrs.define
class Series:
    """One job's use over time.

    When it is full, each two points become one: the later, with the larger memory. So
    the shape and the highest peak stay, whatever length of time they stand for.

    Attributes:
        times: Seconds since the job began.
        memory: Bytes held by the worker and all its children.
        cores: Processors kept busy since the point before.
    """

    times: array[float] = attrs.field(factory=lambda: array("d"))
    memory: array[float] = attrs.field(factory=lambda: array("d"))
    cores: array[float] = attrs.field(factory=lambda: array("d"))
    _used: float = 0.0
    _stride: int = 1
    _skipped: int = 0
    _highest: float = 0.0
    _last: tuple[float, float] = (0.0, 0.0)

    def __len__(self) -> int:
        return len(self.times)

    def add(self, running_s: float, rss: int, cpu_s: float) -> None:
        """Take in a heartbeat.

        Args:
            running_s: For how long the job runs.
            rss: Bytes held now.
            cpu_s: Processor seconds used so far, by this and earlier jobs.
        """
        self._highest = max(self._highest, float(rss))
        self._last = (running_s, cpu_s)
        self._skipped += 1
        apart = not self.times or running_s - self.times[-1] >= LEAST_STEP_S
        if apart and (self._skipped >= self._stride or not self.times):
            self._append()
            if len(self.times) >= MOST_POINTS:
                self._thin()

    def close(self) -> None:
        """Add the last heartbeats, if they are not among the points."""
        if not self._skipped:
            return
        if self._last[0] - self.times[-1] >= LEAST_STEP_S:
            self._append()
        else:
            self.memory[-1] = max(self.memory[-1], self._highest)

    def _append(self) -> None:
        running_s, cpu_s = self._last
        cores = 0.0
        if self.times and running_s > self.times[-1]:
            cores = max(0.0, cpu_s - self._used) / (running_s - self.times[-1])
        self.times.append(running_s)
        self.memory.append(self._highest)
        self.cores.append(cores)
        self._used, self._skipped, self._highest = cpu_s, 0, 0.0

    def _thin(self) -> None:
        """Make one point of each two."""
        for place in range(1, len(self.times), 2):
            self.memory[place] = max(self.memory[place - 1 : place + 1])
            early = self.times[place - 1] - (self.times[place - 2] if place > 1 else 0)
            late = self.times[place] - self.times[place - 1]
            if early + late > 0:
                work = self.cores[place - 1] * early + self.cores[place] * late
                self.cores[place] = work / (early + late)
        for values in (self.times, self.memory, self.cores):
            values[:] = values[1::2]
        self._stride *= 2


class Vitals:
    """The series of the jobs that run now."""

    def __init__(self) -> None:
        self._series: dict[int, Series] = {}

    def __len__(self) -> int:
        return len(self._series)

    def beat(self, event: RunnerVitals) -> None:
        """Take in a runner's heartbeat."""
        if event.job is None:
            return
        series = self._series.get(event.job)
        again = series is not None and event.running_s < series.times[-1]
        if series is None or again:
            if len(self._series) >= MOST_JOBS and not again:
                return
            series = self._series[event.job] = Series()
        series.add(event.running_s, event.rss, event.cpu_s)

    def done(self, event: JobsDone) -> None:
        """Forget jobs that returned."""
        if event.stop - event.first > len(self._series):
            returned = [job for job in self._series if event.first <= job < event.stop]
        else:
            returned = [*range(event.first, event.stop)]
        for job in returned:
            self._series.pop(job, None)

    def take(self, job: int) -> Series | None:
        """Return what is known of a job and forget it; None if nothing is."""
        series = self._series.pop(job, None)
        if series is not None:
            series.close()
        return series
