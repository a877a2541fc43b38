"""The shell round the ledger: one thread, one socket, one loop.

Receive, feed, act. What the rules ask for is done here and nowhere else; errands that
may block are put to a thread of their own, and their answers come back as facts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, ParamSpec

import msgspec

from gridmap import payload
from gridmap.errors import RemoteProtocolError, RunError
from gridmap.events import JobFailed, RunnerPending, RunnersRejected
from gridmap.journal import entries as e
from gridmap.monitor import facts
from gridmap.monitor import instructions as i
from gridmap.monitor.alarm import Alarm
from gridmap.monitor.gate import Gate
from gridmap.monitor.incoming import Incoming
from gridmap.monitor.outgoing import Outgoing
from gridmap.monitor.sessions import Sessions
from gridmap.monitor.shortage import shortage
from gridmap.monitor.standstill import Standstill
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.sessions import SessionState
from gridmap.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.journal.log import JournalLog
    from gridmap.journal.parking import Parked
    from gridmap.monitor.errands import ErrandRunner
    from gridmap.monitor.large import LargeFrames
    from gridmap.monitor.ledger import Ledger
    from gridmap.monitor.neighbours import Neighbours
    from gridmap.monitor.observers import Observers
    from gridmap.monitor.outcomes import Sink
    from gridmap.monitor.store import Store
    from gridmap.transport.sockets import MonitorSocket, Received

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")

codec.prepare(m.FromRunner)  # while runners are being started

_PIECES: Final = (m.Bring, m.Piece, m.Credit)
_LOADED: Final = (m.Report, m.Checkpoint)  # with a payload

_RESTLESS_S: Final = 0.1
_CALM_S: Final = 0.5
_PARTING_S: Final = 1.0

_WRITING_S: Final = 10.0
"""How long the end of a run waits for its journal."""


class MonitorService:
    """The monitor's thread."""

    def __init__(
        self,
        socket: MonitorSocket,
        ledger: Ledger,
        store: Store,
        sink: Sink,
        observers: Observers,
        neighbours: Neighbours,
        large: LargeFrames,
        journal: JournalLog | None = None,
    ) -> None:
        self._socket = socket
        self._ledger = ledger
        self._store = store
        self._sink = sink
        self._neighbours = neighbours
        self._large = large
        self._gate = Gate(journal)
        self._errands: ErrandRunner | None = None
        self._inbox: deque[facts.Fact] = deque()
        self._woken = self._fed = False
        self._observers = observers
        self._sessions = Sessions()
        self._outgoing = Outgoing(socket, store, neighbours, large, self._shut_out)
        # What the journal may still be writing is not the user's to write to.
        self._incoming = Incoming(
            neighbours, large, socket.message_bytes, writable=journal is None
        )
        self._parting: set[bytes] = set()
        self._alarm = Alarm(socket.counters, journal, large)
        self._ticked = 0.0
        self._standstill = Standstill()
        self._thread = threading.Thread(
            target=self._run, name="gridmap-monitor", daemon=True
        )
        # As the user hears of a result: once it is written down. Inputs go behind work
        # that may be waiting to be sent.
        self._hand_out = self._written(sink.results)
        self._hand_out_verdict = self._written(sink.verdict)
        self._tell_observers = self._written(observers.tell)
        self._drop = self._written(store.drop)
        self._say = self._written(self._outgoing.say)
        self._acts: dict[type[i.Instruction], Callable[[Any], None]] = {
            i.Send: self._send,
            i.SendWork: self._written(self._send_work),
            i.Forget: self._written(self._forget),
            i.Note: lambda act: self._gate.note(act.entry),
            i.Deliver: self._deliver,
            i.KeepContent: self._keep_content,
            i.DropContent: self._written(lambda drop: store.forget(drop.digest)),
            i.DeliverVerdict: self._deliver_verdict,
            i.SubmitRunners: self._errand,
            i.KillRunners: self._errand,
            i.Look: self._errand,
            i.HoldAutopsy: self._errand,
            i.ResubmitRunner: self._errand,
            i.Attach: self._errand,
        }

    def start(self, errands: ErrandRunner, parked: Sequence[Parked] = ()) -> None:
        """Begin; from now on the socket belongs to the monitor's thread.

        Args:
            errands: Who calls the backend's verbs.
            parked: What runners left behind while the run had no driver.
        """
        self._errands = errands
        self._parked = parked
        payload.prepare()
        self._thread.start()

    @property
    def turned_away(self) -> dict[str, int]:
        """What was turned away so far, in words, and how often. Any thread."""
        return self._alarm.counts

    def tell(self, fact: facts.Fact) -> None:
        """Add a fact, from any thread; returns at once."""
        self._inbox.append(fact)
        # A wake is a system call, and there may be as many tellers as jobs. Whoever
        # finds the word set wrote its fact before the next look into the inbox.
        if not self._woken:
            self._woken = True
            self._socket.wake()

    def join(self, patience_s: float) -> bool:
        """Wait until the run is closed; tell whether it is."""
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for parked in self._parked:
                self._unpark(parked)
            while not self._ledger.closed:
                self._turn()
        except MemoryError:
            self._give_up(shortage("take in what runners said"))
        except RunError as error:
            self._give_up(error)
        except BaseException as error:  # noqa: BLE001 - the last line of defence: no map hangs
            _log.critical("the monitor failed: this is a bug in gridmap", exc_info=True)
            self._give_up(error)
        finally:
            self._drain()
            self._part()
            self._socket.close()
            self._store.clear()
            self._neighbours.clear()
            self._large.close()

    def _give_up(self, error: BaseException) -> None:
        self._sink.broken(error)
        self._errand(i.KillRunners(handles=self._ledger.handles))

    def _drain(self) -> None:
        """See what is written out; whatever is wrong with it, the rest has to end."""
        try:
            self._gate.drain(_WRITING_S)
        except Exception as error:  # noqa: BLE001 - see above
            _log.critical("what was written is not told", exc_info=True)
            self._sink.broken(error)

    def _part(self) -> None:
        """Let runners that said goodbye, or were refused, hang up first.

        A DEALER that loses its connection forgets what it has not read yet.
        """
        deadline = time.monotonic() + _PARTING_S
        while self._parting and time.monotonic() < deadline:
            self._socket.poll(deadline - time.monotonic())
            self._socket.receive()
            self._parting.difference_update(self._socket.disconnected())

    def _turn(self) -> None:
        pause = _RESTLESS_S if self._ledger.restless else _CALM_S
        due = min(self._ticked + pause, self._ledger.wake_at)
        wait = 0.0 if self._inbox else max(0.0, due - time.monotonic())
        if self._fed:
            self._fed = False
            self._observers.go_on()
        ready = self._socket.poll(self._outgoing.pause(wait))
        self._woken = False
        for received in self._socket.receive() if ready.messages else ():
            self._receive(received)
        for peer in self._socket.disconnected():
            self._parting.discard(peer)
            self._end_session(peer)
            self._feed(facts.Disconnected(peer=peer))
        while self._inbox:
            fact = facts.take(self._inbox)
            self._feed(fact)
            if isinstance(fact, facts.JobsCancelled):
                self._drop(fact.first, fact.stop)
        now = time.monotonic()
        self._outgoing.turn(now)
        self._large.turn(now)
        if now >= due:
            self._ticked = now
            self._feed(facts.Tick())
            self._neighbours.turn(now)
            if warning := self._alarm.ring(now):
                _log.warning("%s", warning)
        for digest in self._store.functions.forget_idle():
            self._outgoing.discard(digest)
        self._gate.turn()

    def _feed(self, fact: facts.Fact) -> None:
        told = []
        for instruction in self._ledger.handle(fact, time.monotonic()):
            if type(instruction) is i.Publish:
                told.append(instruction)
            else:
                self._acts[type(instruction)](instruction)
        # Nobody waits for what observers are told, but for work and results.
        for publish in told:
            self._publish(publish)

    def _unpark(self, parked: Parked) -> None:
        """Take in what a runner left behind, by the rules for what it says."""
        try:
            for message, frames in parked.messages:
                self._incoming.unpark(frames, message)
                self._feed(facts.Parked(nonce=parked.nonce, message=message))
        except RemoteProtocolError as error:
            _log.warning("what runner %s left is not usable: %s", parked.nonce, error)
        finally:
            self._incoming.clear()
        self._gate.turn()
        self._gate.do(parked.drop)

    def _receive(self, received: Received) -> None:
        """Take in one message; a peer that breaks the protocol is shut out for good."""
        peer = received.peer
        state = self._sessions.state(peer, received.connection)
        if state is SessionState.ERROR:
            return
        message: m.FromRunner | None = None
        try:
            message = codec.decode_from_runner(received.frames[0])
            self._sessions.hear(peer, received.connection, message)
            if isinstance(message, m.Hello):
                self._neighbours.meet(peer, message)
                self._large.meet(peer, message)
            elif isinstance(message, _PIECES):
                parts = received.frames[1:]
                self._large.hear(peer, message, parts, time.monotonic())
            elif isinstance(message, _LOADED) and not self._open(received, message):
                return
            self._feed(facts.Heard(peer=peer, message=message))
        except RemoteProtocolError as error:
            if state is SessionState.GREETING:
                self._end_session(peer)  # a stranger costs no memory
                # A runner that was struck off, and does not know it, is no offender.
                self._alarm.refused += message is None
                return
            self._alarm.refused += 1
            _log.info("a runner's session is closed: %s", error)
            self._sessions.shut(peer)
            self._large.part(peer)
            refusal = m.Refuse(text=f"protocol error: {error}")
            self._socket.send(peer, [codec.encode(refusal)])
            self._feed(facts.Disconnected(peer=peer))
        finally:
            self._incoming.clear()

    def _open(self, received: Received, message: m.Report | m.Checkpoint) -> bool:
        """Open a payload, if its sender holds the jobs that it is of.

        Returns:
            Whether the message can be heard; else it will be said again in full.
        """
        peer = received.peer
        try:
            if self._ledger.expects(peer, message):
                self._incoming.open(received, message)
        except OSError as error:
            _log.info("a frame that a runner refers to cannot be had: %s", error)
            self._neighbours.part(peer)
            self._large.part(peer)
            self._socket.send(peer, [codec.encode(m.Plain())])
            return False
        self._large.forget_brought(peer)
        return True

    def _end_session(self, peer: bytes) -> SessionState | None:
        """Forget what a peer said; it has to greet before it is heard again."""
        self._neighbours.part(peer)
        self._large.part(peer)
        self._outgoing.part(peer)
        return self._sessions.end(peer)

    def _shut_out(self, peer: bytes) -> None:
        """Have one who does not read greet anew: that tells it all it has missed."""
        self._end_session(peer)
        self._inbox.append(facts.Disconnected(peer=peer))

    # Acts ---------------------------------------------------------------------------

    def _written(self, act: Callable[_P, None]) -> Callable[_P, None]:
        """Return an act that waits until what was noted before it is written."""
        if not self._gate.journaled:
            return act

        def wait(*args: _P.args, **kwargs: _P.kwargs) -> None:
            self._gate.do(lambda: act(*args, **kwargs))

        return wait

    def _send(self, send: i.Send) -> None:
        if isinstance(send.message, m.Refuse):
            self._parting.add(send.peer)
        patient = send.patient and not self._incoming.holds_large
        self._say(send.peer, send.message, patient=patient)

    def _send_work(self, send: i.SendWork) -> None:
        if self._outgoing.work(send.peer, send.work):
            self._fed = True
        else:
            self._inbox.append(facts.Unsent(grant=send.work.grant))

    def _forget(self, forget: i.Forget) -> None:
        # An unknown peer's next word must be Hello, so forgetting it shuts it out.
        if self._end_session(forget.peer) is SessionState.CLOSED:
            self._parting.add(forget.peer)
        self._outgoing.forget(forget.peer)

    def _deliver(self, deliver: i.Deliver) -> None:
        results = self._incoming.results
        stop = deliver.offset + deliver.stop - deliver.first
        parcels = results.pieces(deliver.offset, stop)
        if self._gate.journaled:
            self._gate.note(_result(deliver), results.take(deliver.offset, stop))
        if deliver.verdict is not None:
            self._store.failed(deliver.first)
        self._drop(deliver.first, deliver.stop)
        self._hand_out(deliver.first, parcels, deliver.failures, deliver.verdict)

    def _keep_content(self, keep: i.KeepContent) -> None:
        content = self._incoming.checkpoint
        self._store.keep(keep.digest, content)
        if self._gate.journaled:
            frames = payload.decode(content, self._socket.message_bytes)
            self._gate.note(e.Saved(job=keep.job, digest=keep.digest), frames)

    def _deliver_verdict(self, deliver: i.DeliverVerdict) -> None:
        if deliver.verdict.cause is not Cause.CANCELLED:
            self._store.failed(deliver.job)
        self._drop(deliver.job, deliver.job + 1)
        self._gate.note(e.Ended(job=deliver.job, verdict=deliver.verdict))
        self._hand_out_verdict(deliver.job, deliver.verdict)

    def _errand(self, errand: Any) -> None:
        if self._errands is not None:
            self._errands.put(errand)

    def _publish(self, publish: i.Publish) -> None:
        event = publish.event
        if isinstance(event, JobFailed):
            text = self._incoming.traceback(event.job)
            if text is not None:
                event = msgspec.structs.replace(event, traceback=text)
        if isinstance(event, (RunnerPending, RunnersRejected)):
            self._standstill.warn(event)
        self._tell_observers(event)


def _result(deliver: i.Deliver) -> e.Entry:
    """Return what the journal says of results."""
    if deliver.verdict is None:
        return e.Done(first=deliver.first, stop=deliver.stop)
    failure = deliver.failures[0] if deliver.failures else None
    return e.Ended(job=deliver.first, verdict=deliver.verdict, failure=failure)
