"""Whether a verdict is true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.simulation.jobs import Deed, Fault

from gridmap.backend import Ending
from gridmap.runner.machine import Phase
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

if TYPE_CHECKING:
    from tests.simulation.process import SimRunner
    from tests.simulation.scheduler import Task
    from tests.simulation.simulation import Simulation
    from tests.simulation.truth import Try

OWN: Final = {
    Deed.RAISE: Cause.RAISED,
    Deed.EXIT: Cause.EXITED,
    Deed.UNPICKLABLE: Cause.UNPICKLABLE,
}

_NEEDS: Final = {
    Cause.KILLED: {Fault.PERSON},
    Cause.TIME_LIMIT: {Fault.LIMIT, Fault.OWN_CLOCK},
    Cause.PREEMPTED: {Fault.REQUEUED, Fault.RESUBMITTED, Fault.PREEMPTED},
    Cause.NODE_LOST: {Fault.NODE, Fault.GIVEN_UP},
}
"""One of these must have happened to a runner for such a verdict to be true."""

_UNHEARD: Final = {Fault.CUT_OFF, Fault.GIVEN_UP, Fault.FROZEN, Fault.NODE, Fault.HUNG}
"""What keeps a runner that lives from being heard."""

_TOLD: Final = {Fault.SIGNALLED, Fault.WARNED, Fault.OURS}
"""What makes a runner leave by itself."""

_KNOWN: Final = {Ending.PERSON, Ending.PREEMPTION, Ending.NODE}

CONNECT_S: Final = 15.0
"""How long a runner may be shown as running without a hello."""

_NEAR_S: Final = 15.0
"""So near a limit it may be thought to be the reason."""

_HEARING_S: Final = 15.0
"""How long after a death that the books explain a verdict may still lack it."""

_QUIET_S: Final = 60.0
"""For how long all must have been well for witnesses to be complete."""


class Judge:
    """Knows what really happened, and compares."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def judge(self, number: int, verdict: Verdict, last: Try | None) -> None:
        """See that a verdict says what happened.

        Args:
            number: The job.
            verdict: What is said of it.
            last: The attempt it is about; None if the job waits for a runner.
        """
        if last is None or verdict.runner is None:
            self._judge_unstarted(number, verdict)
            return
        self._judge_place(number, verdict, last)
        what = f"job {number}: {verdict}, but {last.runner} {last.runner.faults}"
        deed, cause = self._sim.jobs[number].deed, verdict.cause
        needs = _NEEDS.get(cause)
        if needs is not None:
            inferred = cause is Cause.TIME_LIMIT and self._near_its_end(last)
            assert inferred or needs & self._faults(last), what
        elif cause is Cause.LOST:
            self._judge_lost(number, verdict, last)
        elif cause is Cause.STALLED:
            assert deed is Deed.STALL or last.runner.faults & _UNHEARD, what
        elif cause is Cause.ENVIRONMENT_BROKEN:
            assert last.runner.faults & {Fault.BROKEN, Fault.IDLE_DEATH}, what
        elif cause is Cause.CANCELLED:
            assert self._wanted(number), what
        else:
            self._judge_own(number, verdict, last)

    def _wanted(self, number: int) -> bool:
        """Whether the user wanted a job to end."""
        return self._sim.closing or number in self._sim.truth.killed

    def _near_its_end(self, last: Try) -> bool:
        """Whether a runner died so near its limit that this was taken for the reason.

        That is an inference, and drawn only where no witness knows.
        """
        runner, walltime = last.runner, last.runner.task.walltime
        if walltime is None or runner.ended is None:
            return False
        away = abs(runner.born + walltime - runner.ended)
        plan, wrong = self._sim.plan, runner.node.clock.wrong
        return away < _NEAR_S or bool(wrong or plan.clocks or plan.drift)

    def _judge_own(self, number: int, verdict: Verdict, last: Try) -> None:
        """The job itself ended so, in that very attempt."""
        what = f"job {number}: {verdict}, but {last}"
        deed, cause = self._sim.jobs[number].deed, verdict.cause
        if last.finished:
            assert cause is OWN.get(deed), what
        elif cause is Cause.EXITED:
            assert deed is Deed.CRASH_ONCE, what
            assert last.crashed, what
        elif cause is Cause.OUT_OF_MEMORY:
            assert deed is Deed.MEMORY, what
            assert last.crashed, what
        else:
            assert cause is Cause.SIGNALLED, what
            assert last.shot or (last.crashed and deed is Deed.CRASH), what

    def _faults(self, last: Try) -> set[Fault]:
        """What happened to the runner of an attempt, or to the task it was."""
        runner, lives = last.runner, last.runner.task.lives
        later = lives[lives.index(runner) + 1 :]
        heard = any(life.machine.phase is not Phase.GREETING for life in later)
        if heard and self._sim.monitor.woke < self._sim.world.now - _QUIET_S:
            return runner.faults
        return runner.faults | runner.task.faults  # nobody can tell them apart

    @staticmethod
    def _judge_place(number: int, verdict: Verdict, last: Try) -> None:
        """The evidence belongs to that attempt and to no other."""
        what = f"job {number}: {verdict}, but it was with {last.runner}"
        assert verdict.runner in last.runner.names, what
        assert verdict.node == last.runner.node.name, what

    def _judge_lost(self, number: int, verdict: Verdict, last: Try) -> None:
        """Nobody could know: else it is a lie to say so."""
        runner, task = last.runner, last.runner.task
        what = f"job {number}: {verdict}, but {runner} {runner.faults} {task.ending}"
        assert not runner.alive or runner.faults, f"{what}: it is well"
        if self._in_trouble(runner):
            return
        if runner.alive:
            assert runner.faults & (_UNHEARD | _TOLD), what
            return
        assert not self._booked(task, runner), f"{what}: the books knew"

    def _in_trouble(self, runner: SimRunner) -> bool:
        """Whether so much went wrong lately that anything may be unknown."""
        sim, now = self._sim, self._sim.world.now
        lately = now - _QUIET_S
        return bool(
            sim.plan.wild
            or sim.plan.lag_s
            or sim.scheduler.down
            or sim.scheduler.troubled > lately
            or sim.monitor.woke > lately
            or runner.faults & _UNHEARD
        )

    def _booked(self, task: Task, runner: SimRunner) -> bool:
        """Whether accounting could have been heard on this end, in good time."""
        sim, now = self._sim, self._sim.world.now
        if not sim.plan.accounting or not task.over or task.lives[-1] is not runner:
            return False
        explained = task.limit is not None or task.ending in _KNOWN
        early = task.ended < now - _HEARING_S and task.booked < now - _HEARING_S
        return explained and early

    def _judge_unstarted(self, number: int, verdict: Verdict) -> None:
        cause, scheduler = verdict.cause, self._sim.scheduler
        what = f"job {number}: {verdict}"
        faults: set[Fault] = set()
        for task in scheduler.tasks.values():
            faults |= task.faults
        if cause is Cause.REJECTED:
            assert scheduler.refused or self._sim.plan.faults, what
        elif cause is Cause.KILLED:
            assert Fault.PERSON in faults, what
        elif cause is Cause.ENVIRONMENT_BROKEN:
            assert faults & {Fault.BROKEN, Fault.IDLE_DEATH}, what
        elif cause is Cause.CANCELLED:
            assert self._wanted(number), what
        elif cause in {Cause.PREEMPTED, Cause.TIME_LIMIT}:
            assert faults & _NEEDS[cause], what
        else:
            assert cause in {Cause.NEVER_STARTED, Cause.NODE_LOST, Cause.LOST}, what
            self._judge_start(verdict, what)

    def _judge_start(self, verdict: Verdict, what: str) -> None:
        """Something must have happened to the runner that is named, or it waited."""
        said = " ".join(statement.text for statement in verdict.statements)
        named = re.search(r"this was runner (\S+) on", said)
        tasks = self._sim.scheduler.tasks.values()
        task = next((t for t in tasks if named and str(t.handle) == named[1]), None)
        assert task is not None, f"{what}: no runner is named"
        plan = self._sim.plan
        waited = plan.start_timeout_s is not None or plan.lag_s > CONNECT_S
        assert waited or task.faults - {Fault.OURS}, f"{what}: nothing befell it"

    def again(self, number: int, verdict: Verdict) -> None:
        """A job is run again: not for ever, and not against a person's will."""
        plan, what = self._sim.plan, f"job {number} again after {verdict}"
        if not plan.retry:
            assert verdict.cause is not Cause.KILLED, what
            charged = [
                v
                for v in (*verdict.earlier, verdict)
                if v.cause in INFRASTRUCTURE and not v.checkpointed
            ]
            assert len(charged) <= plan.resubmits, what
