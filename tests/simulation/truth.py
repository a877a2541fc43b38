"""What really happened, and whether the monitor told it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.jobs import Deed
from tests.simulation.scheduler import Fault, Task

from gridmap import events
from gridmap.verdict import Cause, Verdict

if TYPE_CHECKING:
    from tests.simulation.jobs import Parcel
    from tests.simulation.simulation import Simulation

    from gridmap.monitor import instructions as i
    from gridmap.protocol import messages as m

_NEEDS = {
    Cause.KILLED: {Fault.PERSON},
    Cause.TIME_LIMIT: {Fault.LIMIT},
    Cause.PREEMPTED: {Fault.REQUEUED, Fault.RESUBMITTED},
    Cause.NODE_LOST: {Fault.NODE},
    Cause.LOST: set(Fault),
}
"""Which of these must have happened to a runner for such a verdict to be true."""

_OWN = {
    Deed.RAISE: Cause.RAISED,
    Deed.EXIT: Cause.EXITED,
    Deed.UNPICKLABLE: Cause.UNPICKLABLE,
}


class Truth:
    """The judge of the judge."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def sent(self, work: m.Work) -> None:
        """Jobs were sent to a runner: from now on only this grant counts."""
        self._sim.world.tell(
            f"grant {work.grant}: jobs {work.first}-{work.first + work.count - 1}, "
            f"attempt {work.attempt}"
        )
        for number in range(work.first, work.first + work.count):
            job = self._sim.jobs[number]
            assert not job.delivered, f"job {number} is sent out after its delivery"
            assert not job.cancelled, f"job {number} is sent out after it was cancelled"
            job.owner = work.grant

    def delivered(
        self, deliver: i.Deliver, report: m.Report, batch: list[Parcel]
    ) -> None:
        """Results were handed to the user: they must be the right ones."""
        jobs = range(deliver.first, deliver.stop)
        self._sim.world.tell(f"delivered: jobs {jobs.start}-{jobs.stop - 1}")
        failed = {deliver.first + x.offset for x in deliver.failures}
        for number in jobs:
            job = self._sim.jobs[number]
            parcel = batch[deliver.offset + number - deliver.first]
            assert parcel.job == number, f"job {number} got the value of {parcel.job}"
            assert job.owner == report.grant, (
                f"job {number} delivered from grant {report.grant}, not {job.owner}"
            )
            assert (number in failed) == (job.deed in _OWN), f"job {number} {job.deed}"
            self._deliver(number)

    def verdict_delivered(self, deliver: i.DeliverVerdict) -> None:
        """A verdict was handed to the user."""
        self._sim.world.tell(f"job {deliver.job}: {deliver.verdict.cause}")
        assert deliver.verdict.cause not in {Cause.RETURNED, Cause.RAISED}
        self._judge(deliver.job, deliver.verdict)
        self._deliver(deliver.job)

    def _deliver(self, number: int) -> None:
        job = self._sim.jobs[number]
        assert not job.cancelled, f"job {number} delivered after it was cancelled"
        job.delivered += 1
        assert job.delivered == 1, f"job {number} delivered twice"

    def published(self, publish: i.Publish) -> None:
        """An observer was told something: no verdict may be false."""
        event = publish.event
        if isinstance(event, events.JobFailed):
            again = ", again" if event.again else ""
            self._sim.world.tell(
                f"job {event.job} failed: {event.verdict.cause.value}{again} "
                f"{[s.text for s in event.verdict.statements]}"
            )
            self._judge(event.job, event.verdict)
        elif isinstance(event, events.RunnerGone):
            self._sim.world.tell(f"runner {event.runner} is gone: {event.text}")
        elif isinstance(event, events.RunnerUp):
            self._sim.world.tell(f"runner {event.runner} is up: {event.handle}")

    def _judge(self, number: int, verdict: Verdict) -> None:
        job, cause = self._sim.jobs[number], verdict.cause
        what = f"job {number} ({job.deed}): {cause} {verdict}"
        task = self._task(verdict)
        if cause in _OWN.values() and job.deed in _OWN and verdict.runner:
            assert cause is _OWN[job.deed], what
            assert job.finished, what
        elif cause is Cause.EXITED:
            assert job.deed is Deed.CRASH_ONCE, what
            assert job.crashes, what
        elif cause is Cause.SIGNALLED:
            assert job.crashes or job.shot, what
        elif cause is Cause.OUT_OF_MEMORY:
            assert job.deed is Deed.MEMORY, what
            assert job.crashes, what
        elif cause is Cause.STALLED:
            assert job.deed is Deed.STALL, what
        elif cause in _NEEDS and task is not None:
            assert task.faults & _NEEDS[cause], f"{what} {task.faults}"
        else:
            self._judge_unstarted(number, verdict)

    def _judge_unstarted(self, number: int, verdict: Verdict) -> None:
        cause, scheduler = verdict.cause, self._sim.scheduler
        what = f"job {number}: {cause} {verdict}"
        faults: set[Any] = set()
        for task in scheduler.tasks.values():
            faults |= task.faults
        if cause is Cause.REJECTED:
            assert scheduler.refused or self._sim.plan.faults, what
        elif cause is Cause.KILLED:
            assert Fault.PERSON in faults, what
        elif cause is Cause.ENVIRONMENT_BROKEN:
            assert Fault.BROKEN in faults, what
        elif cause is Cause.CANCELLED:
            assert self._sim.closing, what
        elif cause is Cause.PREEMPTED:
            assert faults & {Fault.REQUEUED, Fault.RESUBMITTED}, what
        else:
            assert cause in {Cause.NEVER_STARTED, Cause.NODE_LOST, Cause.LOST}, what
            assert faults or self._sim.plan.start_timeout_s, what

    def _task(self, verdict: Verdict) -> Task | None:
        tasks = self._sim.scheduler.tasks.values()
        return next((t for t in tasks if str(t.handle) == verdict.runner), None)
