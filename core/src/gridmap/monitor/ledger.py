"""The rules of a run: facts in, instructions out.

The ledger knows no socket, clock or thread. What it is told is true in the order it
is told; what it asks for is carried out in the order it asks. `Books` holds the
state; `Staffing` decides on runners, `Inquest` on what became of them, and this
module on jobs: who gets them, and when they are over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap.backend import Handle
from gridmap.errors import RemoteProtocolError
from gridmap.events import JobsDone, JobsGranted, JobsQueued, RunnerUp, RunnerVitals
from gridmap.lifecycle import JobState, JobStep, RunnerState, RunnerStep, move_jobs
from gridmap.monitor import diagnosis, dispatch
from gridmap.monitor import facts as f
from gridmap.monitor.books import Books
from gridmap.monitor.inquest import Inquest
from gridmap.monitor.instructions import (
    Deliver,
    Forget,
    Instruction,
    Send,
    SendWork,
)
from gridmap.monitor.staffing import Staffing
from gridmap.monitor.surroundings import Surroundings
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant, Group
    from gridmap.monitor.policy import Policy

_HICCUP_S: Final = 5.0
"""A gap between ticks that only a stopped process or machine explains."""

_MARGIN_S: Final = 5.0
"""Seconds before a runner's end in which it is given nothing new."""


class Ledger:
    """The rules of one run."""

    def __init__(self, policy: Policy, now: float = 0.0) -> None:
        self._books = Books(policy, now=now)
        self._staffing = Staffing(self._books)
        self._inquest = Inquest(self._books, self._staffing)
        self._early: dict[Handle, tuple[bytes, m.Hello]] = {}
        self._ticked = now
        self._facts: dict[type[f.Fact], Callable[[Any], None]] = {
            f.BackendReady: self._backend_ready,
            f.JobsAdded: self._jobs_added,
            f.JobsCancelled: self._jobs_cancelled,
            f.Sealed: self._sealed,
            f.Heard: self._heard,
            f.Disconnected: self._disconnected,
            f.Submitted: self._submitted,
            f.Looked: self._inquest.looked,
            f.Autopsied: self._inquest.autopsied,
            f.KillAnswered: lambda fact: self._staffing.kill_answered(fact.results),
            f.ResubmitAnswered: self._resubmit_answered,
            f.Tick: self._tick,
            f.Closed: self._closed,
        }
        self._messages: dict[type[m.FromRunner], Callable[[Runner, Any], None]] = {
            m.Beat: self._beat,
            m.Report: self._report,
            m.WorkerLost: self._worker_lost,
            m.Returned: self._returned,
            m.Goodbye: self._goodbye,
        }

    def handle(self, fact: f.Fact, now: float) -> list[Instruction]:
        """Take in one fact and return what is to be done about it.

        Args:
            fact: What happened.
            now: When, seconds on a monotonic clock; never before the last fact.

        Raises:
            RemoteProtocolError: If a runner said what cannot be. Nothing has
                changed; the service ends that runner's session.
        """
        self._books.now = now
        self._facts[type(fact)](fact)
        out, self._books.out = self._books.out, []
        return out

    @property
    def settled(self) -> bool:
        """Whether every job is final."""
        return self._books.jobs.open == 0

    @property
    def closed(self) -> bool:
        """Whether the run was told to end and no runner is left."""
        return self._books.closing and not self._books.fleet.runners

    @property
    def restless(self) -> bool:
        """Whether something is to be looked into soon, so that ticks matter."""
        waits = self._books.jobs.delayed or self._books.closing
        return bool(waits) or any(
            runner.state is not RunnerState.UP for runner in self._books.fleet
        )

    # Jobs ---------------------------------------------------------------------------

    def _backend_ready(self, fact: f.BackendReady) -> None:
        self._books.capabilities = fact.capabilities
        self._staffing.staff_all()

    def _jobs_added(self, fact: f.JobsAdded) -> None:
        group = self._books.jobs.group(fact.resources, fact.surroundings)
        self._books.jobs.add(fact.first, fact.stop, fact.function, group)
        self._books.publish(JobsQueued, first=fact.first, stop=fact.stop)
        self._dispatch(group)
        self._staffing.staff(group)

    def _jobs_cancelled(self, fact: f.JobsCancelled) -> None:
        books, states = self._books, self._books.jobs.states
        for job in range(fact.first, fact.stop):
            state = JobState(states[job])
            if state.final:
                continue
            group = books.jobs.group_of(job)
            grant = self._grant_of(job) if state is JobState.GRANTED else None
            move_jobs(states, job, job + 1, JobStep.CANCEL)
            group.open -= 1
            group.queued -= state is JobState.QUEUED
            if grant is not None:
                self._cancel_granted(grant, job)
        for group in books.jobs.groups.values():
            self._staffing.drop_surplus(group)

    def _grant_of(self, job: int) -> Grant | None:
        grants = self._books.jobs.grants.values()
        return next((g for g in grants if g.span.first <= job < g.span.stop), None)

    def _cancel_granted(self, grant: Grant, job: int) -> None:
        runner = self._books.fleet.runners[grant.runner]
        if runner.peer is not None:
            message = m.Cancel(grant=grant.number, first=job, count=1)
            self._books.ask(Send(peer=runner.peer, message=message))
        self._books.settle(grant, job, job + 1)
        self._supply(runner)

    def _sealed(self, _: f.Sealed) -> None:
        self._books.sealed = True
        for group in self._books.jobs.groups.values():
            self._staffing.drop_surplus(group)

    def _dispatch(self, group: Group) -> None:
        """Give a group's waiting jobs to those of its runners that can take some."""
        if not group.queued or self._books.closing:
            return
        runners = self._books.fleet.of(group, RunnerState.UP)
        for runner in sorted(runners, key=lambda runner: runner.left):
            if not group.queued:
                break
            self._supply(runner)

    def _supply(self, runner: Runner) -> None:
        """Give one runner what it should have, or let it go when it had its share."""
        group = runner.group
        if runner.state is not RunnerState.UP or self._books.closing:
            return
        while group.queued and dispatch.wants_more(
            left=runner.left, mean_s=group.mean_s
        ):
            size = self._size(runner)
            span = self._books.jobs.take(group, size) if size > 0 else None
            if span is None:
                break
            self._give(
                runner, self._books.jobs.grant(span, runner.number, self._books.now)
            )
        if not runner.left:
            self._at_leisure(runner)

    def _size(self, runner: Runner) -> int:
        """Return how many jobs to give; 0 if the runner is not to have any more."""
        books, group = self._books, runner.group
        remaining = None
        if runner.deadline is not None:
            remaining = runner.deadline - books.now - _MARGIN_S
            if remaining <= 0:
                return 0
        size = dispatch.batch_size(
            queued=group.queued,
            runners=group.up,
            mean_s=group.mean_s,
            remaining_s=remaining,
        )
        most = books.policy.jobs_per_runner
        return size if most is None else min(size, most - runner.given)

    def _give(self, runner: Runner, grant: Grant) -> None:
        span = grant.span
        runner.grants[grant.number] = grant
        runner.given += len(span)
        if runner.peer is None:
            return
        work = m.Work(
            grant=grant.number,
            first=span.first,
            count=len(span),
            attempt=span.attempt,
            function=span.function,
        )
        self._books.ask(SendWork(peer=runner.peer, work=work))
        self._books.publish(
            JobsGranted,
            first=span.first,
            stop=span.stop,
            runner=runner.number,
            attempt=span.attempt,
        )
        self._staffing.drop_surplus(runner.group)

    def _at_leisure(self, runner: Runner) -> None:
        """See what an idle runner is good for: nothing, or another's unstarted jobs."""
        books, group = self._books, runner.group
        if self._size(runner) <= 0:
            self._staffing.dismiss(runner)
            self._staffing.staff(group)
        elif not group.queued:
            loaded = [g for g in books.jobs.grants.values() if g.left > 1]
            grant = max(loaded, key=lambda grant: grant.left, default=None)
            if grant is None or grant.recalled:
                return
            other = books.fleet.runners[grant.runner]
            if other.group is group and other.peer is not None:
                grant.recalled = True
                message = m.Recall(grant=grant.number)
                books.ask(Send(peer=other.peer, message=message))

    # Runners ------------------------------------------------------------------------

    def _submitted(self, fact: f.Submitted) -> None:
        for runner in self._staffing.submitted(fact.answers):
            if runner.handle in self._early:
                self._hello(*self._early.pop(runner.handle))
        if not any(r.state is RunnerState.REQUESTED for r in self._books.fleet):
            for peer, hello in list(self._early.values()):
                self._hello(peer, hello)  # nobody is left whom it could be
            self._early.clear()

    def _resubmit_answered(self, fact: f.ResubmitAnswered) -> None:
        runner = self._books.fleet.runners.get(fact.runner)
        if runner is not None and not self._staffing.resubmitted(runner, fact.answer):
            self._staffing.kill([runner])
            self._staffing.staff_all()

    def _heard(self, fact: f.Heard) -> None:
        if isinstance(fact.message, m.Hello):
            self._hello(fact.peer, fact.message)
            return
        if isinstance(fact.message, m.Beat):
            echo = m.Echo(number=fact.message.number)
            self._books.ask(Send(peer=fact.peer, message=echo))
        else:
            ack = m.Ack(numbers=(fact.message.number,))
            self._books.ask(Send(peer=fact.peer, message=ack))
        runner = self._books.fleet.by_peer.get(fact.peer)
        if runner is None:
            return  # struck off long ago: acknowledged, so that it can end in peace
        runner.heard = self._books.now
        if runner.state is RunnerState.SUSPECT and not runner.over:
            self._books.move(runner, RunnerStep.HELLO)
            runner.look_at = None
        self._messages[type(fact.message)](runner, fact.message)

    def _hello(self, peer: bytes, hello: m.Hello) -> None:
        books = self._books
        handle = Handle(hello.job, hello.task) if hello.job else None
        runner = books.fleet.by_handle.get(handle) if handle else None
        if runner is None:
            awaited = any(r.state is RunnerState.REQUESTED for r in books.fleet)
            if handle is not None and awaited:
                self._early[handle] = (peer, hello)
            else:
                self._refuse(peer, f"this run has no runner {handle}")
            return
        text = diagnosis.refusal(hello, version=m.VERSION, python=books.policy.python)
        if runner.state is RunnerState.STOPPING or runner.over or books.closing:
            self._refuse(peer, "it is no longer wanted")
        elif text is not None:
            self._refuse(peer, text)
            runner.node = hello.node
            statement = Statement(
                witness=Witness.RUNNER, text=text, cause=Cause.ENVIRONMENT_BROKEN
            )
            self._inquest.broken(runner, statement)
        else:
            self._admit(runner, peer, hello)

    def _refuse(self, peer: bytes, text: str) -> None:
        self._books.ask(Send(peer=peer, message=m.Refuse(text=text)))
        self._books.ask(Forget(peer=peer))

    def _admit(self, runner: Runner, peer: bytes, hello: m.Hello) -> None:
        books = self._books
        if runner.nonce and runner.nonce != hello.nonce:
            self._inquest.release(runner, [_STARTED_AGAIN])
            runner.given = 0
        for grant in list(runner.grants.values()):
            if grant.number not in hello.holds:  # it was lost on the way
                books.put_back(grant, runner.group, grant.span.first, grant.span.stop)
        before = books.fleet.joined(runner, peer)
        if before is not None:
            books.ask(Forget(peer=before))
        books.move(runner, RunnerStep.HELLO)
        runner.nonce, runner.node = hello.nonce, hello.node
        runner.heard, runner.look_at = books.now, None
        runner.vitals_since, runner.job = books.now, None
        if hello.remaining is not None:
            runner.deadline = books.now + hello.remaining
        runner.group.came_up, runner.group.start_failures = True, 0
        books.publish(
            RunnerUp,
            runner=runner.number,
            handle=str(runner.handle),
            node=hello.node,
            pid=hello.pid,
        )
        books.ask(Send(peer=peer, message=self._welcome(runner.group)))
        self._supply(runner)

    def _welcome(self, group: Group) -> m.Welcome:
        policy = self._books.policy
        known = policy.surroundings[group.surroundings :]
        around = known[0] if known else Surroundings({}, "", ())
        return m.Welcome(
            version=m.VERSION,
            interval=policy.interval_s,
            orphan=policy.orphan_s,
            environment=dict(around.environment),
            directory=around.directory,
            path=around.path,
            compression=policy.compression,
        )

    def _disconnected(self, fact: f.Disconnected) -> None:
        runner = self._books.fleet.by_peer.get(fact.peer)
        if runner is None or runner.over:
            return
        if runner.state is RunnerState.STOPPING and not self._books.killing:
            self._staffing.remove(runner, "ended")
            self._staffing.staff_all()
        else:
            self._inquest.doubt(runner)

    # Messages -----------------------------------------------------------------------

    def _beat(self, runner: Runner, beat: m.Beat) -> None:
        books, policy = self._books, self._books.policy
        io_bytes = (beat.read or 0) + (beat.written or 0)
        runner.peak = max(runner.peak, beat.peak)
        books.publish(
            RunnerVitals,
            runner=runner.number,
            cpu_s=beat.cpu,
            rss=beat.rss,
            peak_rss=beat.peak,
            io_bytes=io_bytes,
            job=beat.job,
            running_s=beat.running,
        )
        if beat.job is None or beat.job != runner.job or self._moved(runner, beat):
            runner.vitals, runner.vitals_since = (beat.cpu, io_bytes), books.now
        runner.job = beat.job
        old = books.now - 2 * policy.interval_s - _MARGIN_S
        for grant in list(runner.grants.values()):
            if grant.number not in beat.holds and grant.at < old:
                books.put_back(grant, runner.group, grant.span.first, grant.span.stop)
                self._dispatch(runner.group)
        idle = books.now - runner.vitals_since
        if policy.stall_s is not None and idle > policy.stall_s:
            self._stalled(runner, idle)

    def _moved(self, runner: Runner, beat: m.Beat) -> bool:
        cpu, io_bytes = runner.vitals
        idle = self._books.now - runner.vitals_since
        used = beat.cpu - cpu > 0.001 * max(idle, 1.0)
        return used or (beat.read or 0) + (beat.written or 0) != io_bytes

    def _stalled(self, runner: Runner, idle: float) -> None:
        job = runner.job
        runner.vitals_since = self._books.now
        grant = self._grant_of(job) if job is not None else None
        if grant is None or job is None or grant.runner != runner.number:
            return
        text = f"no processor time, no I/O and no progress for {idle:.0f} s"
        said = Statement(
            witness=Witness.HEARTBEAT,
            text=text,
            cause=Cause.STALLED,
            peak_memory=runner.peak or None,
        )
        if runner.peer is not None:
            message = m.Cancel(grant=grant.number, first=job, count=1)
            self._books.ask(Send(peer=runner.peer, message=message))
        self._inquest.end_job(runner, grant, job, [said])
        self._dispatch(runner.group)

    def _held(self, runner: Runner, number: int, first: int, stop: int) -> Grant | None:
        """Return the open grant these jobs belong to; None if it is no longer open."""
        grant = self._books.jobs.grants.get(number)
        if grant is None or grant.runner != runner.number:
            return None
        if first < grant.span.first or stop > grant.span.stop:
            msg = f"runner {runner.handle} spoke of jobs that grant {number} has not"
            raise RemoteProtocolError(msg)
        return grant

    def _report(self, runner: Runner, report: m.Report) -> None:
        books = self._books
        stop = report.first + report.count
        grant = self._held(runner, report.grant, report.first, stop)
        if grant is None:
            return
        runner.group.measured(report.seconds, report.count)
        failed = {report.first + fail.offset: fail for fail in report.failures}
        queued = runner.group.queued
        for first, last in list(books.jobs.runs(report.first, stop, JobState.GRANTED)):
            start = first
            for job in sorted(job for job in failed if first <= job < last):
                self._succeed(runner, grant, report, start, job)
                self._fail(runner, grant, report, failed[job])
                start = job + 1
            self._succeed(runner, grant, report, start, last)
        if runner.group.queued > queued:
            self._dispatch(runner.group)
        self._supply(runner)

    def _succeed(
        self, runner: Runner, grant: Grant, report: m.Report, first: int, stop: int
    ) -> None:
        if first >= stop:
            return
        books = self._books
        move_jobs(books.jobs.states, first, stop, JobStep.SUCCEED)
        runner.group.open -= stop - first
        books.settle(grant, first, stop)
        offset = first - report.first
        books.ask(Deliver(first=first, stop=stop, offset=offset, failures=()))
        seconds = report.seconds * (stop - first) / report.count
        books.publish(
            JobsDone, first=first, stop=stop, runner=runner.number, seconds=seconds
        )

    def _fail(
        self, runner: Runner, grant: Grant, report: m.Report, failure: m.Failure
    ) -> None:
        books, job = self._books, report.first + failure.offset
        said = Statement(
            witness=Witness.WORKER,
            text=_KIND_TEXTS[failure.kind],
            cause=_KIND_CAUSES[failure.kind],
            exit_status=failure.status,
        )
        span = attrs.evolve(grant.span, first=job, stop=job + 1)
        verdict = books.verdict(job, span.attempt, [said], runner)
        again = books.end_attempt(span, verdict)
        books.settle(grant, job, job + 1)
        if not again:
            only = attrs_replace(failure)
            books.ask(
                Deliver(
                    first=job, stop=job + 1, offset=failure.offset, failures=(only,)
                )
            )

    def _worker_lost(self, runner: Runner, lost: m.WorkerLost) -> None:
        grant = self._held(runner, lost.grant, lost.job, lost.job + 1)
        if grant is None or self._books.jobs.states[lost.job] != JobState.GRANTED:
            return
        runner.log_tail = lost.tail
        self._inquest.end_job(runner, grant, lost.job, diagnosis.from_worker(lost))
        self._dispatch(runner.group)
        self._supply(runner)

    def _returned(self, runner: Runner, back: m.Returned) -> None:
        stop = back.first + back.count
        grant = self._held(runner, back.grant, back.first, stop)
        if grant is not None:
            self._books.put_back(grant, runner.group, back.first, stop)
            grant.recalled = False
            self._dispatch(runner.group)

    def _goodbye(self, runner: Runner, goodbye: m.Goodbye) -> None:
        runner.job = goodbye.job
        runner.log_tail = goodbye.tail or runner.log_tail
        statement = diagnosis.from_goodbye(goodbye)
        if goodbye.reason == "broken":
            self._inquest.broken(runner, statement)
        elif goodbye.reason == "signal" and runner.state is not RunnerState.STOPPING:
            runner.statements.append(statement)
            self._inquest.doubt(runner)
        else:
            if goodbye.job is not None:
                self._inquest.release(runner, [statement])
            for grant in list(runner.grants.values()):
                span = grant.span
                self._books.put_back(grant, runner.group, span.first, span.stop)
            self._staffing.remove(runner, goodbye.text or goodbye.reason)
            self._staffing.staff_all()

    # Time ---------------------------------------------------------------------------

    def _tick(self, _: f.Tick) -> None:
        books = self._books
        gap = books.now - self._ticked
        self._ticked = books.now
        if gap > _HICCUP_S:  # this process was stopped: nobody was silent but we
            for runner in books.fleet:
                runner.heard = min(books.now, runner.heard + gap)
        if books.jobs.wake(books.now):
            for group in books.jobs.groups.values():
                self._dispatch(group)
        self._inquest.tick()
        self._staffing.staff_all()

    def _closed(self, fact: f.Closed) -> None:
        books = self._books
        books.closing, books.killing = True, fact.kill or books.killing
        doomed = []
        for runner in books.fleet:
            if runner.state in (RunnerState.UP, RunnerState.STOPPING) and runner.peer:
                self._staffing.dismiss(runner, now=fact.kill)
            if runner.state is RunnerState.QUEUED or (
                runner.state is not RunnerState.REQUESTED
                and (books.killing or runner.state is RunnerState.SUSPECT)
            ):
                doomed.append(runner)
        self._staffing.kill(doomed)


def attrs_replace(failure: m.Failure) -> m.Failure:
    """Return a failure as the only one of a delivery of its own."""
    return m.Failure(offset=0, kind=failure.kind, status=failure.status)


_KIND_TEXTS: Final = {
    m.Kind.RAISED: "the function raised an exception",
    m.Kind.UNPICKLABLE: "the function returned, but its value cannot be sent",
    m.Kind.EXITED: "the function asked its process to exit",
}

_KIND_CAUSES: Final = {
    m.Kind.RAISED: Cause.RAISED,
    m.Kind.UNPICKLABLE: Cause.UNPICKLABLE,
    m.Kind.EXITED: Cause.EXITED,
}

_STARTED_AGAIN: Final = Statement(
    witness=Witness.SCHEDULER,
    text="started the runner again under the same handle",
    cause=Cause.PREEMPTED,
)
