"""The rules of a run: facts in, instructions out.

The ledger knows no socket, clock or thread. What it is told is true in the order it
is told; what it asks for is carried out in the order it asks. `Books` holds the
state, `Room` says how many runners there may be, `Staffing` sees to it that there are
as many as are needed, `Starting` that they start, `Greeting` lets them in, `Supply`
decides which jobs they get, `Hearing` takes in what they say, and `Inquest` finds out
what became of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from gridmap.backend import Handle, NotAsked
from gridmap.events import JobsQueued, JobsRestored
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState, RunnerState, RunnerStep
from gridmap.monitor import facts as f
from gridmap.monitor import restoration
from gridmap.monitor.books import Books
from gridmap.monitor.cancellation import Cancellation
from gridmap.monitor.greeting import Greeting
from gridmap.monitor.hearing import Hearing
from gridmap.monitor.inquest import DOUBTFUL_BEATS, Inquest
from gridmap.monitor.instructions import (
    Attach,
    Deliver,
    DeliverVerdict,
    Instruction,
    KeepContent,
    Note,
    Publish,
    Send,
)
from gridmap.monitor.room import Room
from gridmap.monitor.speculation import Speculation
from gridmap.monitor.staffing import Staffing
from gridmap.monitor.starting import Starting
from gridmap.monitor.succession import Succession
from gridmap.monitor.supply import Supply
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.past import Restored
    from gridmap.monitor.policy import Policy

_HICCUP_S: Final = 0.75
"""Longer than ticks are apart: what exceeds it is time in which nobody listened."""

_ATTACH_AGAIN_S: Final = 15.0
"""Pause before a scheduler that could not be asked for a run's runners is asked again."""


_UNANSWERED: Final = (m.Hello, m.Stack, m.Live, m.Bring, m.Piece, m.Credit)
"""What a runner says and need not know to have arrived, or sees by what follows."""

_KEPT: Final = (Deliver, DeliverVerdict, KeepContent, Publish, Note)
"""What has to be done before a message is said to have arrived."""


class Ledger:
    """The rules of one run."""

    def __init__(self, policy: Policy, now: float = 0.0) -> None:
        self._books = Books(policy, now=now)
        books, room = self._books, Room(self._books)
        self._staffing = staffing = Staffing(books, room)
        starting = Starting(books, staffing)
        self._inquest = inquest = Inquest(books, staffing, starting)
        self._supply = supply = Supply(books, room, staffing)
        self._cancellation = Cancellation(books, staffing, supply)
        self._succession = Succession(books)
        self._speculation = Speculation(books, room, supply)
        self._hearing = Hearing(
            books, staffing, starting, inquest, supply, self._speculation
        )
        self._greeting = Greeting(books, starting, inquest, supply, self._succession)
        self._ticked = now
        self._away = (now, now)
        self._restored = False
        self._attach_at: float | None = None
        self._facts: dict[type[f.Fact], Callable[[Any], None]] = {
            f.BackendReady: self._backend_ready,
            f.JobsAdded: self._jobs_added,
            f.JobsCancelled: self._cancellation.cancel,
            f.JobsKilled: self._cancellation.kill,
            f.Watched: self._watched,
            f.Sealed: self._sealed,
            f.Heard: self._heard,
            f.Disconnected: self._disconnected,
            f.Unsent: self._unsent,
            f.Submitted: self._submitted,
            f.Looked: self._inquest.looked,
            f.Autopsied: self._inquest.autopsied,
            f.KillAnswered: lambda fact: self._staffing.kill_answered(fact.results),
            f.ResubmitAnswered: self._resubmit_answered,
            f.Attached: self._attached,
            f.Parked: self._parked,
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
        if now - self._ticked > _HICCUP_S:
            self._was_away(now - self._ticked - _HICCUP_S)
        self._facts[type(fact)](fact)
        if self._books.revoked:
            self._speculation.tell()
        self._books.drop_contents()
        out, self._books.out = self._books.out, []
        return out

    def restore(self, past: Restored, jobs: Sequence[restoration.Segment]) -> None:
        """Take over from an earlier driver, before any fact is told.

        Args:
            past: What its journal tells.
            jobs: How the jobs are to be run from now on; see `restoration.lay`.
        """
        restoration.lay(past, jobs, self._books)
        self._books.sealed = past.sealed
        self._restored = True

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
        books = self._books
        waits = books.jobs.delayed or books.closing
        return bool(waits) or len(books.fleet) > books.fleet.crew.up

    @property
    def wake_at(self) -> float:
        """When a tick is wanted, should none be due before; infinity: at no time."""
        return self._books.wake_at

    def expects(self, peer: bytes, message: m.Report | m.Checkpoint) -> bool:
        """Say whether the payload of a message counts: its sender holds those jobs.

        Asked before the payload is decompressed; what does not count is heard without.

        Raises:
            RemoteProtocolError: If it speaks of jobs its grant does not have.
        """
        runner = self._books.fleet.by_peer.get(peer)
        if runner is None or runner.grant(message.grant) is None:
            return False
        self._hearing.check(runner, message)
        return True

    # Jobs ---------------------------------------------------------------------------

    def _backend_ready(self, fact: f.BackendReady) -> None:
        self._books.capabilities = fact.capabilities
        if self._restored:
            self._books.ask(Attach())
            done = self._books.jobs.states
            self._books.publish(
                JobsRestored,
                jobs=len(done),
                done=done.count(JobState.DONE),
                failed=done.count(JobState.FAILED),
                states=bytes(done),
            )
        self._staffing.staff_all()

    def _jobs_added(self, fact: f.JobsAdded) -> None:
        books = self._books
        group = books.jobs.group(fact.resources, fact.surroundings)
        if not group.open:
            group.dismissed = False  # whoever killed runners did not mean these jobs
        books.jobs.add(fact.first, fact.stop, fact.function, group)
        books.publish(
            JobsQueued,
            first=fact.first,
            stop=fact.stop,
            resources=fact.resources,
            names=fact.names,
        )
        if fact.final:
            self._seal()
        if books.closing:
            books.cancel_waiting()
            return
        self._supply.dispatch(group)
        self._staffing.expect(group)
        if not fact.more:
            self._staffing.staff_all()

    def _watched(self, fact: f.Watched) -> None:
        books = self._books
        books.watch = fact
        for runner in books.fleet:
            if runner.peer is not None and not runner.parted:
                books.ask(Send(peer=runner.peer, message=books.watching()))

    def _seal(self) -> None:
        if not self._books.sealed:
            self._books.sealed = True
            self._books.note(e.Sealed())

    def _sealed(self, _: f.Sealed) -> None:
        self._seal()
        for group in self._books.jobs.groups.values():
            self._staffing.drop_surplus(group)

    # Runners ------------------------------------------------------------------------

    def _submitted(self, fact: f.Submitted) -> None:
        self._greeting.submitted(self._staffing.submitted(fact.answers))
        self._staffing.staff_all()

    def _unsent(self, fact: f.Unsent) -> None:
        runner = self._speculation.unsent(fact.grant)
        if runner is None:
            return
        if runner.state is not RunnerState.STOPPING:
            self._inquest.doubt(runner)
        self._supply.dispatch(runner.group)

    def _attached(self, fact: f.Attached) -> None:
        """See to runners that nobody knows: taken just before their driver ended.

        What they are for is not known, and they hold nothing.
        """
        books = self._books
        if isinstance(fact.found, NotAsked):
            self._attach_at = books.now + _ATTACH_AGAIN_S
            return
        strangers = frozenset(fact.found) - set(books.fleet.by_handle)
        if strangers:
            books.kill(strangers)

    def _parked(self, fact: f.Parked) -> None:
        runner = next((r for r in self._books.fleet if r.nonce == fact.nonce), None)
        if runner is not None:
            self._hearing.check(runner, fact.message)
            self._hearing.hear(runner, fact.message)

    def _resubmit_answered(self, fact: f.ResubmitAnswered) -> None:
        runner = self._books.fleet.runners.get(fact.runner)
        if runner is not None:
            self._staffing.resubmitted(runner, fact.answer)
            self._staffing.staff_all()

    def _heard(self, fact: f.Heard) -> None:
        books, message = self._books, fact.message
        if isinstance(message, m.Hello):
            self._greeting.hello(fact.peer, message)
            return
        runner = books.fleet.by_peer.get(fact.peer)
        if runner is not None:
            self._hearing.check(runner, message)
        if runner is None:  # struck off: it can end in peace
            self._answer(fact.peer, message, len(books.out))
            return
        runner.spoke(books.now, DOUBTFUL_BEATS * books.policy.interval_s)
        revived = isinstance(message, m.Beat) and self._shown_alive(runner)
        at = len(books.out)
        self._hearing.hear(runner, message)
        if isinstance(message, (m.Checkpoint, m.Goodbye)):
            self._succeed(runner)
        # Behind what was delivered, which must be safe before it is acknowledged, and
        # before anything that the message led to.
        while at < len(books.out) and isinstance(books.out[at], _KEPT):
            at += 1
        self._answer(fact.peer, message, at)
        if revived:
            self._supply.supply(runner)

    def _answer(self, peer: bytes, message: m.FromRunner, at: int) -> None:
        """Say that a message arrived, where the runner has to know."""
        if isinstance(message, _UNANSWERED):
            return
        beat = isinstance(message, m.Beat)
        number = message.number
        answer = m.Echo(number=number) if beat else m.Ack(numbers=(number,))
        # With a report acknowledged a runner goes on as it did without.
        patient = isinstance(message, m.Report)
        self._books.out.insert(at, Send(peer=peer, message=answer, patient=patient))

    def _shown_alive(self, runner: Runner) -> bool:
        """A runner in doubt spoke: that counts more than that others do not know it."""
        if runner.parted or runner.ending or runner.state is not RunnerState.SUSPECT:
            return False
        if runner.over and not runner.absent:
            return False
        runner.over = False
        self._books.move(runner, RunnerStep.HELLO)
        runner.look_at = runner.seen = None
        runner.statements.clear()  # what was said while it could not be heard
        return True

    def _disconnected(self, fact: f.Disconnected) -> None:
        runner = self._books.fleet.by_peer.get(fact.peer)
        self._succession.hung_up(fact.peer)
        if runner is None or runner.over:
            return
        runner.connection = 0
        runner.broke_at = now = self._books.now
        left, back = self._away
        runner.broke_after = left if now - back < _HICCUP_S else now
        self._inquest.doubt(runner)
        self._succeed(runner)

    def _succeed(self, runner: Runner) -> None:
        """Let the next life of a runner in, if it waits for this one to have spoken."""
        heir = self._succession.spoken(runner)
        if heir is not None:
            self._greeting.hello(heir.peer, heir.hello)

    # Time ---------------------------------------------------------------------------

    def _was_away(self, gap: float) -> None:
        """This process was stopped, or very busy: nobody was silent but we.

        What is heard now may have been said before what was sent last had left.
        """
        self._away = (self._ticked, self._books.now)
        self._ticked = self._books.now
        self._books.postpone(gap)

    def _tick(self, _: f.Tick) -> None:
        books = self._books
        self._ticked = books.now
        if books.wake_at <= books.now:
            books.wake_at = math.inf
        if self._attach_at is not None and self._attach_at <= books.now:
            self._attach_at = None
            books.ask(Attach())
        for heir in self._succession.due():
            self._greeting.hello(heir.peer, heir.hello)
        books.jobs.wake(books.now)
        for group in books.jobs.groups.values():
            self._supply.dispatch(group)
            self._supply.hasten(group)
            if books.policy.speculate:
                self._speculation.consider(group)
            self._staffing.let_go(group)
        self._inquest.tick()
        self._staffing.staff_all()

    def _closed(self, fact: f.Closed) -> None:
        books = self._books
        books.closing, books.killing = True, fact.kill or books.killing
        books.cancel_waiting()
        self._speculation.withdraw()
        doomed = []
        for runner in books.fleet:
            if books.killing:
                books.put_back_all(runner)
            if runner.kill_sent is not None:
                runner.ask_after(0.0, books.now, pause_s=0.25)  # how far is it?
            elif runner.state in (RunnerState.UP, RunnerState.STOPPING) and runner.peer:
                self._staffing.dismiss(runner, now=books.killing)
            if runner.state is RunnerState.QUEUED or (
                runner.state is not RunnerState.REQUESTED
                and (books.killing or runner.state is RunnerState.SUSPECT)
            ):
                doomed.append(runner)
        self._staffing.kill(doomed)
