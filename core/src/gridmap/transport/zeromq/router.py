"""The monitor's socket: one ROUTER that all runners of a run connect to.

::

    runners ──tcp+CURVE──▶ ROUTER ──┐
                  ZAP questions ────┤
       closed and failed handshakes ┼─▶ poll() ─▶ receive(), disconnected()
 wake() from another thread ────────┘

Everything but `RouterSocket.wake` is called from one thread, the monitor's.
Nothing here looks into a frame.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

import zmq

from gridmap.connection import split_tcp_address
from gridmap.transport.counters import Counters
from gridmap.transport.limits import (
    LARGE_FRAME_BYTES,
    Limits,
    connection_room,
    raise_descriptor_limit,
)
from gridmap.transport.sockets import Received, Wakeup
from gridmap.transport.waker import Waker
from gridmap.transport.zeromq.authentication import Doorkeeper
from gridmap.transport.zeromq.binding import bind_tcp
from gridmap.transport.zeromq.crowd import Crowd
from gridmap.transport.zeromq.frames import prepared
from gridmap.transport.zeromq.options import prepare_router
from gridmap.transport.zeromq.roll import Roll
from gridmap.transport.zeromq.shutter import Shutter
from gridmap.transport.zeromq.watch import ConnectionEvent, Watch, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.transport.addresses import Endpoint, PortRange
    from gridmap.transport.frames import Frame
    from gridmap.transport.zeromq.keys import RunKeys

_log = logging.getLogger(__name__)

_SENDING: Final = zmq.NOBLOCK | zmq.SNDMORE
_WATCHED: Final = (
    zmq.EVENT_LISTENING
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_ACCEPT_FAILED
    | zmq.EVENT_DISCONNECTED
)


class RouterSocket:
    """A `MonitorSocket` for runners on any host; open one with `tcp`.

    There is no way to open one without keys.

    Attributes:
        addresses: What to offer to runners, best first.
        counters: What was turned away so far.
    """

    def __init__(self, keys: RunKeys, limits: Limits) -> None:
        """Make the sockets, not yet bound; called by `tcp` only."""
        self.addresses: tuple[str, ...] = ()
        self.counters = Counters()
        self._limits = limits
        self._roll = Roll()
        self._crowd = Crowd()
        self._shutter = Shutter(limits.strangers_at_once, limits.strangers_hz)
        self._room = connection_room()
        self._ports: frozenset[int] = frozenset()
        self._waker = Waker()

        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._door = Doorkeeper(self._context, keys.client_public_key)
        self._router: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        self._watch = Watch(self._context, self._router, _WATCHED)
        prepare_router(self._router, keys, limits)
        self._poller = zmq.Poller()
        self._poller.register(self._router, zmq.POLLIN)
        self._poller.register(self._watch.pair, zmq.POLLIN)
        self._poller.register(self._waker.fileno(), zmq.POLLIN)
        self._poller.register(self._door.socket, zmq.POLLIN)

    @classmethod
    def tcp(
        cls,
        endpoints: Sequence[Endpoint],
        keys: RunKeys,
        *,
        port_range: PortRange | None = None,
        limits: Limits | None = None,
        expected_peers: int = 1000,
    ) -> RouterSocket:
        """Listen on TCP, encrypted and open to the run's client key alone.

        Args:
            endpoints: Where, best first; those that cannot be bound are left out.
            keys: The run's keys.
            port_range: Ports to choose from; None takes what the system gives.
            limits: Bounds on peers; None takes the defaults.
            expected_peers: How many runners there may be; makes room for their
                connections as far as the system lets us.

        Raises:
            RunError: If none of the endpoints can be bound.
        """
        room = raise_descriptor_limit(expected_peers)
        if room < expected_peers:
            _log.warning(
                "room for %d connections only, %d runners expected; raise the hard "
                "limit of open files (ulimit -Hn) or use fewer runners",
                room,
                expected_peers,
            )
        self = cls(keys, limits or Limits())
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.addresses = bind_tcp(self._router, endpoints, port_range)
            self._ports = frozenset(split_tcp_address(a)[1] for a in self.addresses)
            self._drain_watch()  # learns of the listening sockets while they are open
            undo.pop_all()
        return self

    @property
    def message_bytes(self) -> int:
        """The longest message that is taken in, all frames together."""
        return self._limits.message_bytes

    def poll(self, timeout_s: float | None) -> Wakeup:
        """Wait until there is something to do, answering at the door meanwhile; see `MonitorSocket.poll`."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            now = time.monotonic()
            left_s = min(deadline - now, self._shutter.left_s(now))
            wait_ms = None if left_s == math.inf else max(0, math.ceil(left_s * 1000))
            reasons = self._look(wait_ms)
            if reasons or time.monotonic() >= deadline:
                return reasons

    def receive(self, max_messages: int = 1000) -> list[Received]:
        """Return the messages that have arrived; see `MonitorSocket.receive`."""
        received: list[Received] = []
        for _ in range(max_messages):
            if not readable(self._router):
                self._roll.tell()
                break
            message = self._receive_one(self._limits)
            if message is not None:
                received.append(message)
        return received

    def send(self, peer: bytes, frames: Sequence[Frame]) -> bool:
        """Send a message to a peer; see `MonitorSocket.send`."""
        parts = prepared(frames, self._limits.frame_bytes)
        send = self._router.send
        try:
            send(peer, _SENDING)
        except zmq.Again:
            self.counters.backlogged += 1
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self.counters.unreachable += 1
            return False
        for part in parts[:-1]:
            send(part, _SENDING)
        send(parts[-1], zmq.NOBLOCK)
        return True

    def wake(self) -> None:
        """Make `poll` return in the monitor's thread. For any thread, at any time."""
        self._waker.ring()

    def disconnected(self) -> list[bytes]:
        """Return who is gone; see `MonitorSocket.disconnected`."""
        return self._roll.told()

    def close(self, linger_s: float = 1.0) -> None:
        """Close everything. Idempotent; see `MonitorSocket.close`."""
        if not self._waker.close():
            return
        self._watch.close()
        self._shutter.close()
        self._router.close(int(linger_s * 1000))
        self._door.close()
        self._context.term()

    def _look(self, wait_ms: int | None) -> Wakeup:
        """Wait once and serve the door and the watch."""
        ready = dict(self._poller.poll(wait_ms))
        if self._door.socket in ready:
            self._door.serve()
            self.counters.denied = self._door.denied
        if self._watch.pair in ready:
            self._drain_watch()
        if self._roll.gone and not readable(self._router):
            self._roll.tell()
        woken = self._waker.fileno() in ready
        if woken:
            self._waker.clear()
        disconnected = bool(self._roll.gone or self._roll.to_be_told)
        return Wakeup(self._router in ready, disconnected, woken)

    def _drain_watch(self) -> None:
        """Take note of everything that has happened to connections."""
        for event in self._watch.drain():
            self._note(event)
        excess = len(self._roll.open) - self._room
        if excess > 0:
            self.counters.crowded += self._crowd.thin_out(excess, self._ports)
        # Whoever is let in makes up for one who is not: runners by the thousand that
        # come at once may have to try again, and are no attack.
        strange = self.counters.strangers - self._door.admitted
        self._shutter.count(strange, time.monotonic())
        self.counters.shut = self._shutter.times

    def _note(self, event: ConnectionEvent) -> None:
        """Count one event; an end of a peer's own connection makes a hint."""
        counters = self.counters
        if event.kind == zmq.EVENT_DISCONNECTED:
            counters.disconnected += 1
            self._crowd.leaves(event.value)
            if not self._roll.leaves(event.value):
                # Not by the handshake's own events: libzmq has none for peers that
                # do not even speak its protocol, and none says which connection.
                counters.strangers += 1
        elif event.kind == zmq.EVENT_ACCEPTED:
            counters.accepted += 1
            self._shutter.admit(event.value)
            self._crowd.enters(event.value)
            self._roll.enters(event.value)
        elif event.kind == zmq.EVENT_ACCEPT_FAILED:
            counters.accept_failed += 1
        elif event.kind == zmq.EVENT_LISTENING:
            self._shutter.guard(event.value)

    def _receive_one(self, limits: Limits) -> Received | None:
        """Return the next message, of which there is one; None if it was dropped."""
        receive = self._router.recv
        peer = receive(zmq.NOBLOCK)
        frame: Any = receive(zmq.NOBLOCK, copy=False)
        descriptor: int = frame.get(zmq.SRCFD)
        if not self._roll.speaks(peer, descriptor):
            self._claim(peer, descriptor)
        size = len(frame)
        frames: list[Frame] = [frame.bytes]
        while frame.more:
            frame = receive(zmq.NOBLOCK, copy=False)
            length = len(frame)
            size += length
            if size > limits.message_bytes or len(frames) == limits.message_frames:
                frames.clear()
                self._skip(frame)
                if size > limits.message_bytes:
                    self.counters.oversized += 1
                else:
                    self.counters.malformed += 1
                return None
            frames.append(frame.bytes if length < LARGE_FRAME_BYTES else frame.buffer)
        return Received(peer, frames, descriptor)

    def _claim(self, peer: bytes, descriptor: int) -> None:
        """Remember by which connection a peer speaks.

        Messages can be read before the events of their connection, and after the
        one that it is closed. Descriptors are reused, but the events of an earlier
        use always come before messages of a later one.
        """
        if descriptor not in self._roll.open:
            self._drain_watch()
        if self._roll.claim(peer, descriptor):
            self._crowd.leaves(descriptor)
        elif self._roll.spoke(peer, descriptor):
            self.counters.strangers -= 1

    def _skip(self, frame: Any) -> None:
        """Throw away what is left of a message."""
        while frame.more:
            frame = self._router.recv(zmq.NOBLOCK, copy=False)
