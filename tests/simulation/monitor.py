"""The monitor: the real ledger and sessions, in a shell of ours."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from tests.simulation.driver import entries

from gridmap import backend as b
from gridmap.errors import RemoteProtocolError
from gridmap.journal import entries as e
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.ledger import Ledger
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.sessions import SessionState, advance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Clock, Connection
    from tests.simulation.simulation import Simulation


class SimMonitor:
    """The user's process."""

    def __init__(self, sim: Simulation, ledger: Ledger, clock: Clock) -> None:
        self._sim = sim
        self._world = sim.world
        self.clock = clock
        self.ledger = ledger
        self.woke = sim.world.now
        self.dead = False
        self.doomed = ""
        self._dying = False
        self.connections: dict[bytes, Connection] = {}
        self.sessions: dict[bytes, SessionState] = {}
        self.closed = False
        self._inbox: deque[f.Fact] = deque()
        self._errands: deque[Any] = deque()
        self._busy = False
        self._stopped = False
        self._backlog: list[Callable[[], None]] = []
        self._acts: dict[type[Any], Callable[[Any], None]] = {
            i.Send: self._send,
            i.SendWork: self._send_work,
            i.Forget: self._forget,
            i.Deliver: lambda _: None,
            i.DeliverVerdict: sim.truth.verdict_delivered,
            i.Publish: sim.truth.published,
            i.SubmitRunners: self._errand,
            i.KillRunners: self._errand,
            i.Look: self._errand,
            i.HoldAutopsy: self._errand,
            i.ResubmitRunner: self._errand,
            i.Attach: self._errand,
            i.Note: lambda _: None,
            i.KeepContent: lambda keep: sim.truth.kept(keep.job, keep.digest),
            i.DropContent: lambda drop: sim.truth.dropped(drop.digest),
        }
        self._wakes_at = math.inf
        self._world.after(0.1, self._tick)

    # Life ---------------------------------------------------------------------------

    def stop(self, seconds: float) -> None:
        """Stop this process, as SIGSTOP does."""
        if not self._stopped:
            self._stopped = True
            self._world.after(seconds, self._go_on)

    def die(self) -> None:
        """Be ended by SIGKILL: nothing is said, and nothing more is done."""
        if self.dead:
            return
        self.dead = True
        for connection in list(self.connections.values()):
            connection.tear(hint=False)
        self._sim.driver_died()

    def doom(self, when: str) -> None:
        """Die as soon as there is something to be written down.

        Args:
            when: "before" it is, "after", or "amid" what is done about it then.
        """
        self.doomed = when
        self._world.after(30.0, self.die)

    def _go_on(self) -> None:
        self._stopped = False
        self.woke = self._world.now
        backlog, self._backlog = self._backlog, []
        for act in backlog:
            act()

    def _when_awake(self, act: Callable[[], None]) -> None:
        if self._stopped:
            self._backlog.append(act)
        elif not self.dead:
            act()

    def _tick(self) -> None:
        if self._over():
            return
        if not self._stopped:
            self.feed(f.Tick())
        calm_s = self._sim.plan.tick_s
        self._world.after(calm_s / (5 if self.ledger.restless else 1), self._tick)

    def _wake(self) -> None:
        self._wakes_at = math.inf
        self.feed(f.Tick())

    def feed(self, fact: f.Fact, batch: list[Any] | None = None) -> None:
        """Tell the ledger, do what it asks, and see whether all is well."""
        if not self.closed and not self.dead:
            self._when_awake(lambda: self._feed(fact, batch))

    def _over(self) -> bool:
        return self.closed or self.dead

    def _feed(self, fact: f.Fact, batch: list[Any] | None) -> None:
        if self._over():
            return
        self._handle(fact, batch)
        while self._inbox and not self._over():
            self._handle(self._inbox.popleft(), None)
        if self._over():
            return
        if self.ledger.wake_at < self._wakes_at:
            self._wakes_at = self.ledger.wake_at
            self._world.after(max(0.0, self._wakes_at - self.clock.now), self._wake)
        self.closed = self.ledger.closed
        if self.closed:
            for connection in list(self.connections.values()):
                connection.close()

    def _handle(self, fact: f.Fact, batch: list[Any] | None) -> None:
        asked = self.ledger.handle(fact, self.clock.now)
        _check_order(fact, asked)
        if self._sim.plan.journaled:
            asked = self._write(fact, asked)
        self._carry_out(fact, asked, batch)
        if self._dying:
            self.die()
        else:
            self._sim.check()

    def _write(self, fact: f.Fact, asked: list[i.Instruction]) -> list[i.Instruction]:
        """Write down what is to be; return what is done after that.

        All that is certain is that nothing is done before what comes before it is
        written. So whoever dies may have done as much as he likes.
        """
        written = entries(fact, asked) if self.doomed else []
        results = any(isinstance(entry, e.Done | e.Ended) for entry in written)
        # Most likely where it hurts most.
        self._dying = bool(written) and self._world.chance(1.0 if results else 0.05)
        if self._dying and self.doomed == "before":
            return []
        if self._dying and self.doomed == "amid":
            del asked[self._world.random.randint(0, len(asked)) :]
        self._sim.journal.commit(entries(fact, asked))
        return [] if self._dying and self.doomed == "after" else asked

    def _carry_out(
        self, fact: f.Fact, asked: list[i.Instruction], batch: list[Any] | None
    ) -> None:
        for instruction in asked:
            if isinstance(instruction, i.Deliver):
                assert isinstance(fact, f.Heard | f.Parked)
                assert isinstance(fact.message, m.Report)
                assert batch is not None
                self._sim.truth.results(instruction, fact.message, batch)
            self._acts[type(instruction)](instruction)

    # Connections --------------------------------------------------------------------

    def accept(self, connection: Connection) -> None:
        """A runner connected; a connection it had before is replaced."""
        self.connections[connection.peer] = connection

    def hang_up(self, connection: Connection) -> None:
        """A connection ended, and the monitor notices."""
        self._when_awake(lambda: self._hang_up(connection))

    def _hang_up(self, connection: Connection) -> None:
        if self.connections.get(connection.peer) is connection:
            del self.connections[connection.peer]
            self.feed(f.Disconnected(peer=connection.peer))

    def arrive(self, connection: Connection, data: bytes, parcels: list[Any]) -> None:
        """A message came."""
        self._when_awake(lambda: self._arrive(connection, data, parcels))

    def _arrive(self, connection: Connection, data: bytes, parcels: list[Any]) -> None:
        if self.connections.get(connection.peer) is not connection or self.closed:
            return  # taken over meanwhile: what was not read is lost
        message = codec.decode_from_runner(data)
        state = self.sessions.get(connection.peer, SessionState.GREETING)
        try:
            self.sessions[connection.peer] = advance(state, message)
        except RemoteProtocolError:
            # An honest runner breaks no rule: it was struck off and does not know.
            honest = state is SessionState.GREETING
            assert honest or self._sim.plan.wild, f"{message} in {state}"
            self._shut_out(connection)
            return
        self.feed(f.Heard(peer=connection.peer, message=message), parcels)

    def _shut_out(self, connection: Connection) -> None:
        state = self.sessions.get(connection.peer, SessionState.GREETING)
        if state is SessionState.GREETING:
            self.sessions.pop(connection.peer, None)
        elif state is not SessionState.ERROR:
            self.sessions[connection.peer] = SessionState.ERROR
            connection.down.send(codec.encode(m.Refuse(text="protocol error")))
            self.feed(f.Disconnected(peer=connection.peer))

    def _send(self, send: i.Send) -> None:
        connection = self.connections.get(send.peer)
        if connection is not None:
            connection.down.send(codec.encode(send.message))

    def _send_work(self, send: i.SendWork) -> None:
        connection = self.connections.get(send.peer)
        self._sim.truth.sent(send.peer, send.work)
        if connection is None or self._world.chance(self._sim.plan.backlogged):
            self._inbox.append(f.Unsent(grant=send.work.grant))
        else:
            connection.down.send(codec.encode(send.work))

    def _forget(self, forget: i.Forget) -> None:
        self.sessions.pop(forget.peer, None)

    # Errands ------------------------------------------------------------------------

    def _errand(self, errand: Any) -> None:
        self._errands.append(errand)
        if not self._busy:
            self._next_errand()

    def _next_errand(self) -> None:
        self._busy = bool(self._errands) and not self.dead
        if not self._busy:
            return
        errand = self._errands.popleft()
        slow = self._world.chance(0.1)
        before, after = (
            self._world.between(0, 2 if slow else 0.05),
            self._world.between(0, 4 if slow else 0.05),
        )

        def act() -> None:
            if self.dead:
                return
            answer = self._ask(errand)

            def done() -> None:
                self.feed(answer)
                self._next_errand()

            self._world.after(after, done)

        self._world.after(before, act)

    def _ask(self, errand: Any) -> f.Fact:
        scheduler = self._sim.scheduler
        self._world.tell(f"monitor asks: {_short(errand)}")
        match errand:
            case i.SubmitRunners():
                return f.Submitted(answers=scheduler.submit(errand))
            case i.KillRunners():
                return f.KillAnswered(results=scheduler.kill(errand.handles))
            case i.Look():
                seen = scheduler.observe(errand.handles)
                at = self.clock.now
                return f.Looked(asked=errand.handles, observation=seen, at=at)
            case i.HoldAutopsy():
                return self._autopsies(errand.handles)
            case i.Attach():
                return f.Attached(found=scheduler.attach())
            case i.ResubmitRunner():
                answer = scheduler.resubmit(errand.handle, errand.cause)
                return f.ResubmitAnswered(runner=errand.runner, answer=answer)
        raise AssertionError(errand)

    def _autopsies(self, handles: frozenset[b.Handle]) -> f.Fact:
        scheduler = self._sim.scheduler
        tails = {}
        for handle in sorted(handles):
            node = scheduler.tasks[handle].node
            if node is not None and node.broken:
                tails[handle] = "python3: No module named gridmap"
        findings = scheduler.postmortem(handles)
        return f.Autopsied(asked=handles, findings=findings, tails=tails)


def _check_order(fact: f.Fact, asked: list[i.Instruction]) -> None:
    """What is acknowledged is safe before: its runner forgets it then.

    What follows for jobs that it said nothing of may come later: it is found out anew.
    """
    told = fact.message if isinstance(fact, f.Heard) else None
    job = getattr(told, "job", None)
    acknowledged = False
    for instruction in asked:
        if isinstance(instruction, i.Send) and isinstance(instruction.message, m.Ack):
            acknowledged = True
        own = isinstance(instruction, i.DeliverVerdict) and instruction.job == job
        late = acknowledged and (
            own or isinstance(instruction, i.Deliver | i.KeepContent)
        )
        assert not late, f"{fact} is acknowledged before {instruction}"


def _short(errand: Any) -> str:
    match errand:
        case i.SubmitRunners():
            avoid = f", not on {sorted(errand.avoid)}" if errand.avoid else ""
            return f"submit runners {errand.runners}{avoid}"
        case i.ResubmitRunner():
            return f"resubmit {errand.handle}"
        case i.Attach():
            return "which runners are there?"
        case _:
            names = ", ".join(sorted(map(str, errand.handles)))
            return f"{type(errand).__name__} {names}"
