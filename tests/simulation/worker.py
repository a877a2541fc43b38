"""The process in which jobs are run: a worker of ours."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.jobs import Deed, Parcel, SimJob

from gridmap.protocol import messages as m
from gridmap.runner import actions as ra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.process import SimRunner

_GATHER_S = 0.01
_CRASHES = {
    Deed.CRASH: (None, 11, False),
    Deed.CRASH_ONCE: (3, None, False),
    Deed.MEMORY: (None, 9, True),
}
_KINDS = {
    Deed.RAISE: m.Kind.RAISED,
    Deed.EXIT: m.Kind.EXITED,
    Deed.UNPICKLABLE: m.Kind.UNPICKLABLE,
}


class SimWorker:
    """The process in which jobs are run, one after another.

    Values of quick jobs gather in memory that outlives it, as those of the real one.
    """

    def __init__(self, runner: SimRunner) -> None:
        self._runner = runner
        self._world = runner.sim.world
        self._queue: deque[tuple[int, int, bytes]] = deque()
        self._halted = False
        self._withdrawing = self._marked = False
        self._left_out: int | None = None
        self._gathered: list[Parcel] = []
        self._seconds = 0.0
        self._grant = 0
        self._sent = 0.0
        self.alive = True
        self.grant = 0
        self.job: SimJob | None = None
        self.since = 0.0
        self.done = 0.0
        self._run = 0

    def feed(self, grant: int, jobs: range, function: bytes) -> None:
        """Take in jobs."""
        if self.alive and not self._halted:
            self._queue.extend((grant, job, function) for job in jobs)
            if self.job is None:
                self._begin()

    def _begin(self) -> None:
        if self._withdrawing:
            self._leave_out()
        if not self._queue:
            self.job = None
            self._flush()
            return
        grant, number, function = self._queue.popleft()
        if grant != self._grant:
            self._flush()
            self._grant = grant
        job = self.job = self._runner.sim.jobs[number]
        self.grant = grant
        self.since = self._world.now
        job.runs += 1
        run = self._run = job.runs
        self._runner.sim.truth.begun(self._runner, grant, job)
        if job.deed is Deed.STALL and run == 1:
            return
        self.done = done = self._runner.sim.truth.done_of(job, function)
        seconds = job.seconds * (1 - done) + job.drags_s * (run == 1)
        self._world.after(seconds, lambda: self._end(job, run))

    def _end(self, job: SimJob, run: int) -> None:
        if not self.alive or self.job is not job or self._run != run or self._halted:
            return
        if self._runner.suspended:
            self._runner.when_resumed(lambda: self._end(job, run))
            return
        crash = _CRASHES.get(job.deed)
        if job.deed is Deed.CRASH_ONCE and job.crashes:
            crash = None
        if crash is not None:
            job.crashes += 1
            self._runner.sim.truth.crashed(self._runner, self.grant, job)
            self.die(*crash)
            return
        job.finished += 1
        self._runner.sim.truth.finished(self._runner, self.grant, job)
        kind = _KINDS.get(job.deed)
        if kind is not None:
            self._flush()
        self._gathered.append(Parcel(job.number, run, str(self._runner)))
        self._seconds += self._world.now - self.since
        status = 3 if job.deed is Deed.EXIT else None
        failure = m.Failure(offset=0, kind=kind, status=status) if kind else None
        if failure is not None or self._world.now - self._sent > _GATHER_S:
            self._flush(failure)
        self._begin()

    def _flush(self, failure: m.Failure | None = None) -> None:
        parcels, self._gathered = self._gathered, []
        seconds, self._seconds = self._seconds, 0.0
        self._sent = self._world.now
        if not parcels:
            return
        runner, failures = self._runner, (failure,) if failure else ()
        runner.later(
            0.0005,
            lambda: runner.machine.results(
                parcels[0].job,
                len(parcels),
                failures,
                seconds,
                parcels,
                runner.now,
            ),
        )

    def withdraw(self) -> None:
        """Begin nothing of what was handed over until the mark comes."""
        self._withdrawing, self._left_out = True, None

    def mark(self) -> None:
        """Here is the mark; it is read behind all that was handed over before."""
        self._marked = True
        if self.job is None:
            self._begin()

    def glimpsed(self) -> int | None:
        """Return the job it says it is at: it says so, then looks whether it may."""
        if not self.alive:
            return None
        if self.job is None and self._world.chance(0.5):
            return self._left_out
        return self.job.number if self.job else None

    def _leave_out(self) -> None:
        if self._queue and self._left_out is None:
            self._left_out = self._queue[0][1]
        self._queue.clear()
        if not self._marked:
            return
        self._withdrawing = self._marked = False
        self._flush()
        runner = self._runner

        def cleared() -> Iterable[ra.Action]:
            return runner.machine.cleared(runner.now) if self is runner.worker else ()

        runner.later(0.0005, cleared)

    @property
    def saves(self) -> bool:
        """Whether the job it runs can be asked for a checkpoint."""
        return self.job is not None and self.job.saves and self.alive

    def ask(self, number: int) -> None:
        """Make a checkpoint of a job, if it is being run, and do nothing more."""
        job, runner, now = self.job, self._runner, self._world.now
        if not self.alive or self._halted or job is None or job.number != number:
            return
        seconds = now - self.since
        if self._world.chance(0.2):
            runner.later(
                0.0005,
                lambda: runner.machine.not_checkpointed(number, "no", runner.now),
            )
            return
        self._halted = True
        done = self.done + (1 - self.done) * min(0.9, seconds / job.seconds)
        digest = runner.sim.truth.saved(job, done)
        runner.later(
            0.0005,
            lambda: runner.machine.checkpointed(
                number, digest, seconds, [digest], runner.now
            ),
        )

    def die(
        self, status: int | None, number: int | None, out_of_memory: bool = False
    ) -> None:
        """End; the runner reads what was written and then hears of it."""
        if not self.alive:
            return
        self.alive = False
        self._flush()
        end = ra.WorkerEnd(
            job=self.job.number if self.job else None,
            seconds=self._world.now - self.since,
            status=status,
            signal=number,
            peak=1000,
            out_of_memory=out_of_memory,
            tail="the end",
        )
        runner = self._runner
        delay = self._world.between(0.001, 0.01)
        runner.later(delay, lambda: runner.machine.worker_ended(end, runner.now))
