"""What the ledger's parts share: the tables, the clock, and the list of instructions."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.backend import Capabilities, Reach
from gridmap.events import AnyEvent, JobFailed
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState, JobStep, RunnerState, RunnerStep
from gridmap.monitor import twins
from gridmap.monitor.facts import Watched
from gridmap.monitor.fleet import Fleet, Runner
from gridmap.monitor.instructions import (
    DeliverVerdict,
    DropContent,
    Instruction,
    KillRunners,
    Note,
    Publish,
    SubmitRunners,
)
from gridmap.monitor.jobs import Grant, Group, JobTable, Span
from gridmap.protocol.messages import Watch
from gridmap.retry import Again, GiveUp
from gridmap.verdict import Cause, Statement, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gridmap.backend import Handle
    from gridmap.monitor.policy import Policy


_LIVE_S: Final = 0.5
"""How often a runner that is watched says what is new, at most."""

_MOST_LIVE: Final = 200
"""How often all runners together do so in a second."""


class Books(msgspec.Struct):
    """The state of one run.

    Attributes:
        policy: The numbers it is run by.
        jobs: Its jobs.
        fleet: Its runners.
        capabilities: What the backend can do; None until it said so.
        now: The present, seconds on a monotonic clock.
        out: Instructions given while the present fact is handled.
        sealed: Whether no more jobs will come.
        wake_at: When a tick is wanted, should none be due before; infinity: at no time.
        starving: Groups that lack a runner for want of room.
        closing: Whether the run is ending.
        killing: Whether it is ending by force.
        watch: Whether somebody looks at it, and at what.
        revoked: Attempts that another one of the same job made needless, or that were
            for nothing: their runners are still to be told.
    """

    policy: Policy
    jobs: JobTable = msgspec.field(default_factory=JobTable)
    fleet: Fleet = msgspec.field(default_factory=Fleet)
    capabilities: Capabilities | None = None
    now: float = 0.0
    out: list[Instruction] = []
    sealed: bool = False
    wake_at: float = math.inf
    starving: list[Group] = []
    closing: bool = False
    killing: bool = False
    watch: Watched = msgspec.field(default_factory=lambda: Watched(live=False))
    revoked: list[Grant] = []
    _doomed: set[Handle] | None = None

    @property
    def near(self) -> bool:
        """Whether runners are on this machine, where it costs nothing to look."""
        known = self.capabilities
        return known is not None and known.reach is Reach.HOST

    def watching(self) -> Watch:
        """Return what runners are told of those who look."""
        if not self.watch.live:
            return Watch(period=0.0)
        period = max(_LIVE_S, len(self.fleet) / _MOST_LIVE)
        return Watch(period=period, output=self.watch.output)

    def ask(self, instruction: Instruction) -> None:
        """Add an instruction."""
        self.out.append(instruction)

    def note(self, entry: e.Entry) -> None:
        """Have a change written down, where the run keeps a journal."""
        if self.policy.journaled:
            self.ask(Note(entry=entry))

    def publish(self, event: Callable[..., AnyEvent], **fields: Any) -> None:
        """Tell the observers of an event of this run, now."""
        at = self.policy.epoch_s + self.now
        self.out.append(Publish(event=event(run=self.policy.token, at=at, **fields)))

    def hire(self, group: Group, count: int) -> None:
        """Ask for runners, with one submission."""
        runners = []
        for _ in range(count):
            runner = self.fleet.request(group, self.now)
            runner.avoid = group.avoid
            self.fleet.moved(runner, None, runner.state)
            runners.append(runner.number)
        self.ask(
            SubmitRunners(
                runners=tuple(runners), resources=group.resources, avoid=group.avoid
            )
        )

    def kill(self, handles: Iterable[Handle]) -> None:
        """Have runners ended through the scheduler: all of a turn with one request."""
        if self._doomed is not None:
            self._doomed.update(handles)
            return
        for number, asked in enumerate(self.out):
            if isinstance(asked, KillRunners):
                self.out[number] = KillRunners(handles=asked.handles.union(handles))
                return
        self.ask(KillRunners(handles=frozenset(handles)))

    @contextlib.contextmanager
    def killing_many(self) -> Iterator[None]:
        """Put off requests to kill, so that each does not copy those before it."""
        doomed: set[Handle] = set()
        self._doomed = doomed
        try:
            yield
        finally:
            self._doomed = None
            if doomed:
                self.kill(doomed)

    def move(self, runner: Runner, step: RunnerStep) -> None:
        """Move a runner on, and keep count of its group's runners."""
        before = runner.state
        runner.move(step, self.now)
        if runner.state is not before:
            self.fleet.moved(runner, before, runner.state)
            self.rest(runner)

    def seconds_of(self, group: Group) -> list[Grant]:
        """Return the second attempts of a group's jobs, the oldest first."""
        seconds = self.jobs.doubles.seconds.values()
        return [second for second in seconds if second.group is group]

    def rest(self, runner: Runner) -> None:
        """Keep the list of those that have nothing to do."""
        busy = runner.left or runner.second is not None
        if runner.state is RunnerState.UP and not busy:
            runner.group.idle.setdefault(runner.number, self.now)
        else:
            runner.group.idle.pop(runner.number, None)

    def give(self, runner: Runner, span: Span) -> Grant:
        """Give jobs that were taken off the queue to a runner."""
        grant = self.jobs.grant(
            span,
            runner.group,
            runner=runner.number,
            now=self.now,
            beat=runner.beat,
            behind=runner.left > 0,
        )
        runner.grants[grant.number] = grant
        self.granted(grant)
        runner.given += len(span)
        runner.left += len(span)
        runner.group.idle.pop(runner.number, None)
        return grant

    def granted(self, grant: Grant) -> None:
        """Have it written down that a grant answers for its jobs."""
        span = grant.span
        self.note(
            e.Granted(
                grant=grant.number,
                runner=grant.runner,
                first=span.first,
                stop=span.stop,
                attempt=span.attempt,
                function=span.function,
            )
        )

    def settle(self, grant: Grant, first: int, stop: int) -> None:
        """Account for jobs of a grant; close it when none is left."""
        self.jobs.settle(grant, first, stop)
        runner = self.fleet.runners[grant.runner]
        runner.left -= stop - first
        if runner.job is not None and first <= runner.job < stop:
            runner.job = None
        if not grant.left:
            del runner.grants[grant.number]
            if grant.twin is not None:
                twins.drop(self, grant.twin, "dropped", "the first attempt is over")
        if not runner.left:
            self.rest(runner)

    def postpone(self, gap: float) -> None:
        """Let what is measured from be later, as nobody listened for a while."""
        for runner in self.fleet:
            runner.heard = min(self.now, runner.heard + gap)
            runner.vitals_since = min(self.now, runner.vitals_since + gap)
            if runner.asked_at is not None:
                runner.asked_at = min(self.now, runner.asked_at + gap)
            if runner.running_since is not None:
                runner.running_since += gap
        for grants in (self.jobs.grants, self.jobs.doubles.seconds):
            for grant in grants.values():
                grant.at = min(self.now, grant.at + gap)

    def put_back(self, grant: Grant, first: int, stop: int) -> None:
        """Return granted jobs to the head of the queue, as the same attempt."""
        runner = self.fleet.runners[grant.runner]
        for run_first, run_stop in reversed(list(grant.runs(first, stop))):
            second = None if self.closing else twins.split(self, grant)
            self.settle(grant, run_first, run_stop)
            runner.given -= run_stop - run_first  # it did not run them
            self.note(e.Returned(grant=grant.number, first=run_first, stop=run_stop))
            if self.closing:
                self.jobs.end(grant.group, run_first, run_stop, JobStep.CANCEL)
            elif second is not None:
                twins.take_over(self, second, "the first attempt was handed back")
            else:
                span = grant.span.part(run_first, run_stop)
                self.jobs.again(span, grant.group, None)

    def put_back_all(self, runner: Runner) -> None:
        """Return all that a runner holds, so that the oldest comes first."""
        for grant in reversed(list(runner.grants.values())):
            self.put_back(grant, grant.span.first, grant.span.stop)
        if runner.second is not None:
            twins.drop(self, runner.second, "failed", "its runner is gone")

    def cancel_waiting(self) -> None:
        """End all jobs that no runner holds, as the user's wish."""
        jobs = self.jobs
        for group in jobs.groups.values():
            while (span := jobs.take(group, max(group.queued, 1))) is not None:
                jobs.end(group, span.first, span.stop, JobStep.CANCEL)
        for _, _, span, group in jobs.delayed:
            if jobs.states[span.first] == JobState.DELAYED:
                jobs.end(group, span.first, span.stop, JobStep.CANCEL)
        jobs.delayed.clear()

    def verdict(
        self,
        job: int,
        attempt: int,
        statements: Iterable[Statement],
        runner: Runner | None = None,
        cause: Cause | None = None,
        ran_s: float | None = None,
    ) -> Verdict:
        """Return the verdict on one attempt, from what the witnesses said."""
        said = tuple(statements)
        asked = self.jobs.group_of(job).resources
        return Verdict(
            cause=cause or judge(said),
            statements=said,
            job=self.policy.name(job),
            attempt=attempt,
            node=runner.node if runner else None,
            runner=str(runner.handle) if runner and runner.handle else None,
            checkpointed=self.jobs.checkpoints.left(job, attempt),
            asked_memory=asked.memory_limit or asked.memory,
            asked_walltime=asked.walltime,
            ran_s=ran_s,
            earlier=tuple(self.jobs.histories.get(job, ())),
            log_tail=runner.log_tail if runner else "",
            log_path=self.log_path(runner),
        )

    def log_path(self, runner: Runner | None) -> str | None:
        """Return where a runner's log lies; None where there is none, or none stays."""
        path = self.policy.log_path
        if path is None or runner is None or runner.handle is None:
            return None
        return path(runner.handle)

    def end_attempt(self, grant: Grant, job: int, verdict: Verdict) -> bool:
        """End the attempt of one granted job badly; tell whether it runs again.

        Where it does not, the job is final, and the caller delivers it.
        """
        group, history = grant.group, self.jobs.histories.get(job, ())
        decision = (
            GiveUp()
            if self.closing
            else self.policy.decide(verdict, tuple(history), group.resources)
        )
        decision = twins.instead(grant, verdict, decision)
        again = isinstance(decision, Again)
        plan: dict[str, Any] = {}
        if isinstance(decision, Again):
            plan = msgspec.structs.asdict(decision)
        self.publish(JobFailed, job=job, verdict=verdict, again=again, **plan)
        if isinstance(decision, Again):
            second = twins.split(self, grant) if decision.resources is None else None
            self.settle(grant, job, job + 1)
            self.jobs.histories[job] = [
                *history,
                msgspec.structs.replace(verdict, earlier=()),
            ]
            self._again(grant.span, job, group, decision, second)
        else:
            self.settle(grant, job, job + 1)
            self.jobs.end(group, job, job + 1, JobStep.FAIL)
        return again

    def _again(
        self, span: Span, job: int, group: Group, decision: Again, second: Grant | None
    ) -> None:
        if decision.resources is not None and decision.resources != group.resources:
            group.open -= 1
            group = self.jobs.reassign(job, decision.resources)
            group.open += 1
        if not decision.avoid <= group.avoid:  # a copy for each node, not each job
            group.avoid |= decision.avoid
        at = self.now + decision.delay_s if decision.delay_s > 0 else None
        function = self.jobs.checkpoints.resume(job, span.function)
        if second is None:
            attempt = self.jobs.doubles.after(job, span.attempt)
        else:
            attempt = second.span.attempt
        again = Span(job, job + 1, attempt, function)
        self.note(
            e.Retried(
                job=job,
                attempt=again.attempt,
                verdict=self.jobs.histories[job][-1],
                function=again.function,
                resources=group.resources,
                surroundings=group.surroundings,
            )
        )
        if second is not None:
            twins.take_over(self, second, "the first attempt ended badly", function)
        else:
            self.jobs.again(again, group, at)

    def drop_contents(self) -> None:
        """Forget the checkpoints that no job needs any more."""
        unneeded = self.jobs.checkpoints.unneeded
        while unneeded:
            self.ask(DropContent(digest=unneeded.pop()))

    def fail_waiting(
        self, group: Group, statements: Iterable[Statement], cause: Cause
    ) -> None:
        """End all jobs of a group that wait for a runner, none of which can come."""
        said = tuple(statements)
        while (span := self.jobs.take(group, max(group.queued, 1))) is not None:
            for job in range(span.first, span.stop):
                verdict = self.verdict(job, span.attempt, said, cause=cause)
                self.publish(JobFailed, job=job, verdict=verdict, again=False)
                self.ask(DeliverVerdict(job=job, verdict=verdict))
                self.jobs.end(group, job, job + 1, JobStep.FAIL)
