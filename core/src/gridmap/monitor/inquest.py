"""Looking into runners that are late, silent or gone, until there is a verdict.

The scheduler is asked only when a runner gives reason to: it has not said hello in
time, its connection broke, it fell silent, or it is being killed. One question then
covers all such runners. A question that fails changes nothing but the next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from gridmap.backend import Handle, NotAsked, Seen, SeenState
from gridmap.events import RunnerPending
from gridmap.lifecycle import JobState, RunnerState, RunnerStep
from gridmap.monitor import diagnosis
from gridmap.monitor.instructions import (
    DeliverVerdict,
    HoldAutopsy,
    KillRunners,
    Look,
    ResubmitRunner,
)
from gridmap.verdict import Cause, Statement, Witness, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.monitor.books import Books
    from gridmap.monitor.facts import Autopsied, Looked
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant
    from gridmap.monitor.staffing import Staffing

_AUTOPSIES: Final = 5
"""How often accounting is asked: it may lag behind the end by seconds."""

_SETTLING_S: Final = 2.0
"""A scheduler may not show yet what it has just accepted."""

_KILL_AGAIN_S: Final = 10.0

_NEVER_HEARD: Final = (RunnerState.QUEUED,)


class Inquest:
    """Finds out what became of runners."""

    def __init__(self, books: Books, staffing: Staffing) -> None:
        self._books = books
        self._staffing = staffing
        self._looking = False
        self._autopsies: dict[Handle, float] = {}

    def doubt(self, runner: Runner, delay_s: float = 0.0) -> None:
        """Look into a runner soon, and give it no more work meanwhile."""
        if runner.state is RunnerState.UP:
            self._books.move(runner, RunnerStep.DOUBT)
        runner.look_at = self._books.now + delay_s
        runner.look_pause = 0.25

    def tick(self) -> None:
        """Ask what is due to be asked."""
        self._hear_silence()
        books = self._books
        if not self._looking and any(
            r.look_at is not None and r.look_at <= books.now for r in books.fleet
        ):
            handles = {r.handle for r in books.fleet if self._worth_a_look(r)}
            self._looking = True
            books.ask(Look(handles=frozenset(h for h in handles if h is not None)))
        due = frozenset(h for h, at in self._autopsies.items() if at <= books.now)
        if due:
            for handle in due:
                self._autopsies[handle] = float("inf")  # until it is answered
            books.ask(HoldAutopsy(handles=due))

    def _worth_a_look(self, runner: Runner) -> bool:
        return runner.look_at is not None and not runner.over

    def _hear_silence(self) -> None:
        books, policy = self._books, self._books.policy
        for runner in books.fleet:
            if runner.state not in (RunnerState.UP, RunnerState.SUSPECT):
                continue
            silent = books.now - runner.heard
            if silent > policy.silence_s and not runner.over:
                self._give_up(runner, silent)
            elif silent > 2.5 * policy.interval_s and runner.look_at is None:
                self.doubt(runner)

    def _give_up(self, runner: Runner, silent: float) -> None:
        """Take a silent runner's jobs away, whatever the scheduler shows of it."""
        books = self._books
        said = [diagnosis.from_silence(silent), diagnosis.from_sight(runner.seen)]
        self.release(runner, [*runner.statements, *said])
        capabilities = books.capabilities
        if (
            capabilities
            and capabilities.requeue
            and runner.handle
            and runner.starts == 1
        ):
            if runner.state is RunnerState.UP:
                books.move(runner, RunnerStep.DOUBT)
            runner.heard, runner.look_at = books.now, None
            books.ask(
                ResubmitRunner(
                    runner=runner.number,
                    handle=runner.handle,
                    cause=Cause.LOST,
                    attempt=runner.starts + 1,
                )
            )
        else:
            self._staffing.kill([runner])
        self._staffing.staff(runner.group)

    def looked(self, fact: Looked) -> None:
        """Take in what the scheduler showed, or that it could not be asked."""
        books = self._books
        self._looking = False
        for handle in fact.asked:
            runner = books.fleet.by_handle.get(handle)
            if runner is None or runner.over:
                continue
            if isinstance(fact.observation, NotAsked):
                self._look_again(runner, least=1.0, most=books.policy.query_s)
            else:
                self._saw(runner, fact.observation.seen.get(handle))

    def _saw(self, runner: Runner, seen: Seen | None) -> None:
        books = self._books
        if seen is not None:
            runner.seen = seen
            runner.node = runner.node or seen.node
        if seen is None or seen.state is SeenState.ENDED:
            self._over(runner, absent=seen is None)
        elif runner.state is RunnerState.QUEUED:
            self._pending(runner, seen)
        elif runner.state is RunnerState.STOPPING:
            self._lingering(runner)
        elif runner.state is RunnerState.SUSPECT:
            self._look_again(runner, least=0.25, most=books.policy.interval_s)
        else:
            runner.look_at = None

    def _over(self, runner: Runner, *, absent: bool) -> None:
        books = self._books
        young = books.now - runner.since < _SETTLING_S
        if runner.state is RunnerState.QUEUED and absent and young:
            self._look_again(runner, least=0.5, most=1.0)
            return
        if runner.state is RunnerState.STOPPING:
            self._staffing.remove(runner, "ended")
            self._staffing.staff_all()
            return
        if runner.state is RunnerState.UP:
            runner.look_at = None  # it spoke after the question: old news
            return
        runner.over, runner.look_at = True, None
        if runner.handle is not None:
            self._autopsies[runner.handle] = books.now

    def _pending(self, runner: Runner, seen: Seen) -> None:
        books, policy = self._books, self._books.policy
        if seen.state is SeenState.RUNNING:
            if runner.running_since is None:
                runner.running_since = books.now
            if books.now - runner.running_since > policy.connect_s:
                self._unreachable(runner, seen)
                return
        elif seen.reason or seen.state is SeenState.BLOCKED:
            reason = seen.reason or seen.raw
            handle = str(runner.handle)
            books.publish(
                RunnerPending, runner=runner.number, handle=handle, reason=reason
            )
        waited = books.now - runner.since
        timeout = policy.start_timeout_s
        if seen.state is SeenState.BLOCKED or (
            timeout is not None and waited > timeout and not runner.group.up
        ):
            self._never(runner, seen, waited)
            return
        most = policy.query_s if seen.state is not SeenState.RUNNING else 5.0
        self._look_again(runner, least=1.0, most=most)

    def _never(self, runner: Runner, seen: Seen, waited: float) -> None:
        text = f"did not start it within {waited:.0f} s: {seen.reason or seen.raw}"
        blocked = seen.state is SeenState.BLOCKED
        if blocked:
            text = f"cannot start it: {seen.reason or seen.raw}"
        statement = Statement(
            witness=Witness.SCHEDULER, text=text, cause=Cause.NEVER_STARTED
        )
        self._staffing.kill([runner])
        self._failed_start(runner, [statement], final=not blocked)

    def _unreachable(self, runner: Runner, seen: Seen) -> None:
        statement = Statement(
            witness=Witness.HEARTBEAT,
            text=f"never said hello, though the scheduler shows it running on "
            f"{seen.node or 'a node'} for {self._books.policy.connect_s:.0f} s: can that "
            "node reach the address of this machine?",
            cause=Cause.NEVER_STARTED,
        )
        self._staffing.kill([runner])
        self._failed_start(runner, [statement])

    def _lingering(self, runner: Runner) -> None:
        books = self._books
        sent = runner.kill_sent
        if sent is None or books.now - sent > _KILL_AGAIN_S:
            runner.kill_sent = books.now
            if runner.handle is not None:
                books.ask(KillRunners(handles=frozenset({runner.handle})))
        self._look_again(runner, least=0.2, most=2.0)

    def _look_again(self, runner: Runner, *, least: float, most: float) -> None:
        runner.look_pause = min(max(least, 2 * runner.look_pause), most)
        runner.look_at = self._books.now + runner.look_pause

    def autopsied(self, fact: Autopsied) -> None:
        """Take in what accounting and the logs say; conclude what can be concluded."""
        books = self._books
        for handle in fact.asked:
            self._autopsies.pop(handle, None)
            runner = books.fleet.by_handle.get(handle)
            if runner is None or not runner.over:
                continue
            runner.log_tail = fact.tails.get(handle, runner.log_tail)
            runner.autopsies += 1
            finding = fact.findings.get(handle)
            knows = books.capabilities is not None and books.capabilities.accounting
            if finding is None and knows and runner.autopsies < _AUTOPSIES:
                self._autopsies[handle] = books.now + 0.25 * 2**runner.autopsies
                continue
            if finding is not None:
                runner.statements.append(diagnosis.from_autopsy(finding))
                runner.node = runner.node or finding.node
            self._conclude(runner)

    def _conclude(self, runner: Runner) -> None:
        said = [*runner.statements, diagnosis.from_sight(runner.seen)]
        if runner.nonce:
            said.append(diagnosis.from_silence(self._books.now - runner.heard))
            self.release(runner, said)
            if judge(said) is Cause.KILLED:
                runner.group.dismissed = True
            self._staffing.remove(runner, "gone")
        else:
            log = diagnosis.from_log(runner.log_tail)
            said += [log] if log else []
            self._staffing.remove(runner, "ended before it said hello")
            self._failed_start(runner, said)
        self._staffing.staff_all()

    def broken(self, runner: Runner, statement: Statement) -> None:
        """A runner that is up cannot do its work: give its jobs to others."""
        for grant in list(runner.grants.values()):
            self._books.put_back(grant, runner.group, grant.span.first, grant.span.stop)
        self._staffing.remove(runner, statement.text)
        self._failed_start(runner, [statement])
        self._staffing.staff(runner.group)

    def _failed_start(
        self, runner: Runner, said: list[Statement], *, final: bool = False
    ) -> None:
        """Count a runner that never worked; give up when none ever will."""
        books, group = self._books, runner.group
        cause = judge(said)
        if cause is Cause.KILLED:
            group.dismissed = True
            return
        if cause is Cause.LOST:
            cause = Cause.NEVER_STARTED
        group.start_failures += 1
        group.hire_at = books.now + min(30.0, 0.25 * 2**group.start_failures)
        if runner.node:
            group.avoid |= {runner.node}
        enough = group.start_failures > books.policy.resubmits
        # One node of many may be broken; but a Python that does not fit is everywhere.
        if (enough or final) and not group.up:
            self._staffing.kill(books.fleet.of(group, *_NEVER_HEARD))
            self._fail_group(runner, said, cause)

    def _fail_group(self, runner: Runner, said: list[Statement], cause: Cause) -> None:
        if runner.log_tail:
            text = "its log ends: " + runner.log_tail.strip()[-500:]
            said = [*said, Statement(witness=Witness.RUNNER, text=text)]
        place = f"runner {runner.handle} on {runner.node or 'no node'}"
        where = Statement(witness=Witness.RUNNER, text=f"this was {place}")
        self._books.fail_waiting(runner.group, [*said, where], cause)

    def release(self, runner: Runner, said: Iterable[Statement]) -> None:
        """End a runner's attempts: the job it ran gets the verdict, the rest go back."""
        books, statements = self._books, tuple(said)
        blamed = False
        for grant in list(runner.grants.values()):
            job = None if blamed else self._culprit(runner, grant)
            blamed = blamed or job is not None
            if job is not None:
                self.end_job(runner, grant, job, statements)
            books.put_back(grant, runner.group, grant.span.first, grant.span.stop)
        runner.job = None

    def _culprit(self, runner: Runner, grant: Grant) -> int | None:
        states, span = self._books.jobs.states, grant.span
        said = runner.job
        inside = said is not None and span.first <= said < span.stop
        if said is not None and inside and states[said] == JobState.GRANTED:
            return said
        runs = self._books.jobs.runs(grant.next, span.stop, JobState.GRANTED)
        return next((first for first, _ in runs), None)

    def end_job(
        self,
        runner: Runner,
        grant: Grant,
        job: int,
        statements: Iterable[Statement],
        cause: Cause | None = None,
    ) -> None:
        """End the attempt of one job with a verdict, and deliver it if it is final."""
        books = self._books
        span = attrs.evolve(grant.span, first=job, stop=job + 1)
        verdict = books.verdict(job, span.attempt, statements, runner, cause)
        again = books.end_attempt(span, verdict)
        books.settle(grant, job, job + 1)
        if not again:
            books.ask(DeliverVerdict(job=job, verdict=verdict))
