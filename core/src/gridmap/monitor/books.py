"""What the ledger's parts share: the tables, the clock, and the list of instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from gridmap.backend import Capabilities
from gridmap.events import AnyEvent, JobFailed
from gridmap.lifecycle import JobState, JobStep, RunnerState, RunnerStep, move_jobs
from gridmap.monitor.fleet import Fleet, Runner
from gridmap.monitor.instructions import DeliverVerdict, Instruction, Publish
from gridmap.monitor.jobs import Grant, Group, JobTable, Span
from gridmap.monitor.policy import Policy
from gridmap.retry import Again, GiveUp
from gridmap.verdict import Cause, Statement, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@attrs.define
class Books:
    """The state of one run.

    Attributes:
        policy: The numbers it is run by.
        jobs: Its jobs.
        fleet: Its runners.
        capabilities: What the backend can do; None until it said so.
        now: The present, seconds on a monotonic clock.
        out: Instructions given while the present fact is handled.
        sealed: Whether no more jobs will come.
        closing: Whether the run is ending.
        killing: Whether it is ending by force.
    """

    policy: Policy
    jobs: JobTable = attrs.field(factory=JobTable)
    fleet: Fleet = attrs.field(factory=Fleet)
    capabilities: Capabilities | None = None
    now: float = 0.0
    out: list[Instruction] = attrs.field(factory=list)
    sealed: bool = False
    closing: bool = False
    killing: bool = False

    def ask(self, instruction: Instruction) -> None:
        """Add an instruction."""
        self.out.append(instruction)

    def publish(self, event: Callable[..., AnyEvent], **fields: Any) -> None:
        """Tell the observers of an event of this run, now."""
        at = self.policy.epoch_s + self.now
        self.out.append(Publish(event=event(run=self.policy.token, at=at, **fields)))

    def move(self, runner: Runner, step: RunnerStep) -> None:
        """Move a runner on, and keep count of those that are up."""
        was_up = runner.state is RunnerState.UP
        runner.move(step, self.now)
        runner.group.up += (runner.state is RunnerState.UP) - was_up

    def settle(self, grant: Grant, first: int, stop: int) -> None:
        """Account for jobs of a grant; close it when none is left."""
        grant.left -= stop - first
        grant.next = max(grant.next, stop)
        runner = self.fleet.runners.get(grant.runner)
        if runner is not None:
            runner.left -= stop - first
        if grant.left <= 0:
            self.jobs.grants.pop(grant.number, None)
            if runner is not None:
                runner.grants.pop(grant.number, None)

    def put_back(self, grant: Grant, group: Group, first: int, stop: int) -> None:
        """Return granted jobs to the head of the queue, as the same attempt."""
        runs = list(self.jobs.runs(first, stop, JobState.GRANTED))
        for run_first, run_stop in reversed(runs):
            span = attrs.evolve(grant.span, first=run_first, stop=run_stop)
            self.jobs.again(span, group, None)
            self.settle(grant, run_first, run_stop)

    def verdict(
        self,
        job: int,
        attempt: int,
        statements: Iterable[Statement],
        runner: Runner | None = None,
        cause: Cause | None = None,
    ) -> Verdict:
        """Return the verdict on one attempt, from what the witnesses said."""
        said = tuple(statements)
        memory = self.jobs.group_of(job).resources.memory
        return Verdict(
            cause=cause or judge(said),
            statements=said,
            job=self.policy.name(job),
            attempt=attempt,
            node=runner.node if runner else None,
            runner=str(runner.handle) if runner and runner.handle else None,
            asked_memory=memory,
            log_tail=runner.log_tail if runner else "",
        )

    def end_attempt(self, span: Span, verdict: Verdict) -> bool:
        """End the attempt of one granted job badly; tell whether it runs again.

        Where it does not, the job is final, and the caller delivers it.
        """
        job, group = span.first, self.jobs.group_of(span.first)
        history = self.jobs.histories.setdefault(job, [])
        decision = (
            GiveUp()
            if self.closing
            else self.policy.decide(verdict, tuple(history), group.resources)
        )
        history.append(verdict)
        again = isinstance(decision, Again)
        self.publish(JobFailed, job=job, verdict=verdict, again=again)
        if isinstance(decision, Again):
            self._again(span, group, decision)
        else:
            move_jobs(self.jobs.states, job, job + 1, JobStep.FAIL)
            group.open -= 1
        return again

    def _again(self, span: Span, group: Group, decision: Again) -> None:
        if decision.resources is not None and decision.resources != group.resources:
            group.open -= 1
            group = self.jobs.reassign(span.first, decision.resources)
            group.open += 1
        group.avoid |= decision.avoid
        at = self.now + decision.delay_s if decision.delay_s > 0 else None
        self.jobs.again(attrs.evolve(span, attempt=span.attempt + 1), group, at)

    def fail_waiting(
        self, group: Group, statements: Iterable[Statement], cause: Cause
    ) -> None:
        """End all jobs of a group that wait for a runner, none of which can come."""
        said = tuple(statements)
        while (span := self.jobs.take(group, max(group.queued, 1))) is not None:
            for job in range(span.first, span.stop):
                verdict = self.verdict(job, span.attempt, said, cause=cause)
                move_jobs(self.jobs.states, job, job + 1, JobStep.FAIL)
                group.open -= 1
                self.jobs.histories.setdefault(job, []).append(verdict)
                self.publish(JobFailed, job=job, verdict=verdict, again=False)
                self.ask(DeliverVerdict(job=job, verdict=verdict))
