"""What a runner sees of its worker from outside: vitals, stacks and its end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec

from gridmap import cgroup
from gridmap.protocol import messages as m
from gridmap.runner.actions import Glance, WorkerEnd
from gridmap.runner.examination import Examiner
from gridmap.runner.outbox import LONG_S

if TYPE_CHECKING:
    from gridmap.runner.actions import Vitals
    from gridmap.runner.offspring import Ended, WorkerProcess
    from gridmap.runner.vitals import Meter


class Gauge:
    """Looks at one worker after the other. Used in the runner's thread."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._used: Meter | None = None
        self._examiner = Examiner()
        self._measuring: int | None = None
        self._oom_kills = cgroup.oom_kills()

    @property
    def _meter(self) -> Meter:
        """What measures. It takes a while to load: the first jobs come before it."""
        if self._used is None:
            from gridmap.runner.vitals import Meter  # noqa: PLC0415 - see above

            self._used = Meter(self._worker.pid)
        return self._used

    def leave(self) -> None:
        """The worker has ended, and its files will be closed."""
        self._examiner.left(self._worker)

    def follow(self, worker: WorkerProcess) -> None:
        """Look at another worker from now on."""
        self._worker, self._measuring = worker, None
        if self._used is not None:
            self._used.reset_peak()
            self._used.follow(worker.pid)

    def mind_the_peak(self) -> None:
        """Begin a new peak of memory with each job that takes a moment."""
        job = self._worker.outbox.doing()[0]
        if job is not None and job != self._measuring:
            self._measuring = job
            if self._used is not None:
                self._used.reset_peak()
            self._worker.forget_peak()

    def peak(self, job: int, seconds: float) -> int:
        """Return the most memory a job held; 0 if it was too quick to be looked at."""
        if seconds < LONG_S or job != self._measuring:
            return 0
        return max(self._meter.peak, self._meter.high_water())

    def measure(self, *, network: bool) -> Vitals:
        """Return the vitals, without what the examination itself has written.

        Args:
            network: Whether what goes over the network is looked at, too.
        """
        vitals = self._meter.measure(network=network)
        if vitals.written is None:
            return vitals
        jobs_own = vitals.written - self._examiner.written(self._worker)
        return msgspec.structs.replace(vitals, written=max(0, jobs_own))

    def examine(self, job: int, now: float) -> None:
        """Ask the worker where a job is."""
        self._examiner.ask(self._worker, job, now)

    def answer(self, now: float) -> tuple[int, str] | None:
        """Return the job that was asked for and where it is, once that is known."""
        return self._examiner.answer(self._worker, now)

    def glance(
        self, vitals: Vitals, *, progress: bool = False, tail: str = ""
    ) -> Glance:
        """Return how the worker is.

        Args:
            vitals: What was measured of it.
            progress: Whether how far its job says it is counts too.
            tail: What it printed last.
        """
        outbox = self._worker.outbox
        job, seconds = outbox.doing()
        return Glance(
            vitals=vitals,
            job=job,
            seconds=seconds,
            can_save=outbox.can_save(),
            progress=self._progress(job) if progress else None,
            tail=tail,
        )

    def _progress(self, job: int | None) -> m.Progress | None:
        """Return how far the job says it is; None if it does not say."""
        said = None if job is None else self._worker.outbox.bulletin.read(job)
        if said is None:
            return None
        return m.Progress(done=said.done, total=said.total, text=said.text)

    def end(self, ended: Ended, tail: str) -> WorkerEnd:
        """Return what is known of the worker's end.

        Args:
            ended: What the kernel says.
            tail: The last that it printed.
        """
        job, seconds = self._worker.outbox.doing()
        kills = cgroup.oom_kills()
        killed = None not in (kills, self._oom_kills) and kills != self._oom_kills
        self._oom_kills = kills
        return WorkerEnd(
            job=job,
            seconds=seconds,
            status=ended.status,
            signal=ended.signal,
            peak=max(ended.peak, self._used.peak if self._used is not None else 0),
            out_of_memory=killed and ended.signal == signal.SIGKILL,
            tail=tail,
        )
