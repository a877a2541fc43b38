"""The rules of a run: facts in, instructions out.

The ledger knows no socket, clock or thread. What it is told is true in the order it
is told; what it asks for is carried out in the order it asks. `Books` holds the
state, `Staffing` decides how many runners there are, `Supply` which jobs they get,
`Hearing` takes in what they say, and `Inquest` finds out what became of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gridmap.backend import Handle
from gridmap.events import JobsQueued, RunnerUp
from gridmap.lifecycle import JobState, JobStep, RunnerState, RunnerStep, move_jobs
from gridmap.monitor import diagnosis
from gridmap.monitor import facts as f
from gridmap.monitor.books import Books
from gridmap.monitor.hearing import Hearing
from gridmap.monitor.inquest import Inquest
from gridmap.monitor.instructions import (
    Forget,
    Instruction,
    Send,
)
from gridmap.monitor.staffing import Staffing
from gridmap.monitor.supply import Supply
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


class Ledger:
    """The rules of one run."""

    def __init__(self, policy: Policy, now: float = 0.0) -> None:
        self._books = Books(policy, now=now)
        self._staffing = Staffing(self._books)
        self._inquest = Inquest(self._books, self._staffing)
        self._supply = Supply(self._books, self._staffing)
        self._hearing = Hearing(
            self._books, self._staffing, self._inquest, self._supply
        )
        self._early: dict[Handle, tuple[bytes, m.Hello]] = {}
        self._ticked = now
        self._facts: dict[type[f.Fact], Callable[[Any], None]] = {
            f.BackendReady: self._backend_ready,
            f.JobsAdded: self._jobs_added,
            f.JobsCancelled: self._jobs_cancelled,
            f.Sealed: self._sealed,
            f.Heard: self._heard,
            f.Disconnected: self._disconnected,
            f.Unsent: self._unsent,
            f.Submitted: self._submitted,
            f.Looked: self._inquest.looked,
            f.Autopsied: self._inquest.autopsied,
            f.KillAnswered: lambda fact: self._staffing.kill_answered(fact.results),
            f.ResubmitAnswered: self._resubmit_answered,
            f.Tick: self._tick,
            f.Closed: self._closed,
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
    def handles(self) -> frozenset[Handle]:
        """The handles of all runners there may be, for a kill in an emergency."""
        return frozenset(self._books.fleet.by_handle)

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
        self._books.sealed = self._books.sealed or fact.final
        self._supply.dispatch(group)
        self._staffing.expect(group)
        if not fact.more:
            self._staffing.staff_all()

    def _jobs_cancelled(self, fact: f.JobsCancelled) -> None:
        books, states = self._books, self._books.jobs.states
        for job in range(fact.first, fact.stop):
            state = JobState(states[job])
            if state.final:
                continue
            group = books.jobs.group_of(job)
            grant = books.jobs.grant_of(job) if state is JobState.GRANTED else None
            move_jobs(states, job, job + 1, JobStep.CANCEL)
            group.open -= 1
            group.queued -= state is JobState.QUEUED
            if grant is not None:
                self._cancel_granted(grant, job)
        for group in books.jobs.groups.values():
            self._staffing.drop_surplus(group)

    def _cancel_granted(self, grant: Grant, job: int) -> None:
        runner = self._books.fleet.runners[grant.runner]
        if runner.peer is not None:
            message = m.Cancel(grant=grant.number, first=job, count=1)
            self._books.ask(Send(peer=runner.peer, message=message))
        self._books.settle(grant, job, job + 1)
        self._supply.supply(runner)

    def _sealed(self, _: f.Sealed) -> None:
        self._books.sealed = True
        for group in self._books.jobs.groups.values():
            self._staffing.drop_surplus(group)

    # Runners ------------------------------------------------------------------------

    def _submitted(self, fact: f.Submitted) -> None:
        for runner in self._staffing.submitted(fact.answers):
            if runner.handle in self._early:
                self._hello(*self._early.pop(runner.handle))
        if not any(r.state is RunnerState.REQUESTED for r in self._books.fleet):
            for peer, hello in list(self._early.values()):
                self._hello(peer, hello)  # nobody is left whom it could be
            self._early.clear()

    def _unsent(self, fact: f.Unsent) -> None:
        grant = self._books.jobs.grants.get(fact.grant)
        runner = self._books.fleet.runners.get(grant.runner) if grant else None
        if grant is not None and runner is not None:
            span = grant.span
            self._books.put_back(grant, runner.group, span.first, span.stop)
            self._inquest.doubt(runner)
            self._supply.dispatch(runner.group)

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
        self._hearing.hear(runner, fact.message)

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
        self._supply.supply(runner)

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
                self._supply.dispatch(group)
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


_STARTED_AGAIN: Final = Statement(
    witness=Witness.SCHEDULER,
    text="started the runner again under the same handle",
    cause=Cause.PREEMPTED,
)
