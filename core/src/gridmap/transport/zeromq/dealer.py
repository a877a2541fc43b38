"""The runner's socket: one DEALER, connected to the first address that answers.

A runner's life hangs on this connection, so the socket says at once when it is
lost and when it is back, and libzmq restores it by itself meanwhile. Nothing is
queued while there is none: `DealerSocket.send` then says so, and the session
sends again what was not acknowledged. The price of it (ZMQ_IMMEDIATE) is that what
has arrived and was not yet received is lost together with the connection; a monitor
with a last word to say lets the runner hang up first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import zmq

from gridmap.errors import ConnectionFileError, RunError
from gridmap.transport.limits import Limits
from gridmap.transport.sockets import Ready
from gridmap.transport.zeromq.diagnosis import diagnosis
from gridmap.transport.zeromq.frames import prepared, receive
from gridmap.transport.zeromq.options import prepare_dealer
from gridmap.transport.zeromq.watch import ConnectionEvent, Watch, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.transport.frames import Frame

CONNECT_S: Final = 1.5
"""How long one address may take to accept a connection.

The kernel asks again after a second (RFC 6298, 2.1), should the first word be lost, or
passed over by a monitor that strangers crowd at.
"""

HANDSHAKE_S: Final = 10.0
"""How long a monitor that accepted may take for the handshake: it may be busy."""

RETRY_S: Final = 5.0
"""How long to leave an address alone where something refused us for good."""

_SENDING: Final = zmq.NOBLOCK | zmq.SNDMORE
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_DENIED: Final = "the monitor refused the key"
_STRANGE: Final = "what listens there does not speak this protocol"
_FAILURES: Final = {
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): _DENIED,
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): _STRANGE,
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): (
        "what listens there broke off the handshake: another run's monitor, "
        "another program, or a monitor that is overloaded"
    ),
}
_WATCHED: Final = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


class DealerSocket:
    """A `RunnerSocket` for runners on any host.

    Attributes:
        address: The address in use, None before `connect`.
        connected: Whether the monitor is there: the handshake succeeded and the
            connection has not been lost since.
        disconnected_since: When it was lost, by `time.monotonic`; None while
            connected. Before the first connection, when this object was made.
        failure: Why the last handshake failed, None if none did since it last
            succeeded. The socket keeps trying; whether that is of use, and whether
            the monitor may be elsewhere (`reconnect`), is the caller's to judge.
    """

    def __init__(
        self,
        connection: ConnectionFile,
        identity: bytes,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Prepare to connect; the arguments are those of `runner_socket`."""
        self.address: str | None = None
        self.connected = False
        self.disconnected_since: float | None = time.monotonic()
        self.failure: str | None = None
        self._retry_at: float | None = None
        self._changed = False
        self._file = connection
        self._identity = identity
        self._limits = limits or Limits()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer: zmq.Socket[bytes] | None = None
        self._watch: Watch | None = None
        self._poller = zmq.Poller()
        self._fds: set[int] = set()

    def connect(self, patience_s: float = 60.0) -> None:
        """Connect, or go on trying; see `RunnerSocket.connect`."""
        deadline = time.monotonic() + patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            refusals = self._try_each(deadline)
            if self.connected:
                return
            told = "; ".join(f"{address}: {text}" for address, text in refusals)
            if _DENIED in {text for _, text in refusals}:
                msg = f"no monitor takes this runner ({told}); its connection file is not of the run that listens there"
                raise ConnectionFileError(msg)
            if time.monotonic() + pause_s >= deadline:
                msg = (
                    f"no monitor answers within {patience_s:g} s ({told}). Has the run "
                    "ended? Else look for a firewall between this node and "
                    f"{self._file.driver.host}, or choose the interface, host or port "
                    "range to offer in its settings"
                )
                raise RunError(msg)
            import random  # noqa: PLC0415 - most get through at once

            # Many runners start at once; they need not knock at once.
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads, hides nothing
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def reconnect(
        self, patience_s: float = 60.0, *, connection: ConnectionFile | None = None
    ) -> None:
        """Look for the monitor anew; see `RunnerSocket.reconnect`."""
        self._drop()
        if connection is not None:
            self._file = connection
        self.connect(patience_s)

    def wait(self, timeout_s: float | None, fds: Iterable[int] = ()) -> Ready:
        """Wait until there is something to do; see `RunnerSocket.wait`."""
        self._register(set(fds))
        timeout_s = self._retry(timeout_s)
        wait_ms = None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999))
        ready = dict(self._poller.poll(wait_ms))
        if self._watch is not None and self._watch.pair in ready:
            self._note_all()
        changed, self._changed = self._changed, False
        return Ready(
            messages=self._dealer in ready,
            connection=changed,
            fds=frozenset(self._fds.intersection(ready)),
        )

    def send(self, frames: Sequence[Frame]) -> bool:
        """Send one message; see `RunnerSocket.send`."""
        parts = prepared(frames, self._limits.frame_bytes)
        dealer = self._dealer
        if dealer is None:
            return False
        flags = [_SENDING] * (len(parts) - 1) + [zmq.NOBLOCK]
        try:
            dealer.send(parts[0], flags[0])
        except zmq.Again:
            # libzmq may not have looked for a connection made this millisecond.
            if not dealer.poll(0, zmq.POLLOUT):
                return False
            dealer.send(parts[0], flags[0])
        for part, flag in zip(parts[1:], flags[1:], strict=True):
            dealer.send(part, flag)
        return True

    def receive(self, max_messages: int = 1000) -> list[list[Frame]]:
        """Return the messages that have arrived; see `RunnerSocket.receive`."""
        received: list[list[Frame]] = []
        dealer = self._dealer
        while dealer is not None and len(received) < max_messages and readable(dealer):
            received.append(receive(dealer))
        return received

    def close(self, flush_s: float = 5.0) -> None:
        """Close everything. Idempotent; see `RunnerSocket.close`."""
        self._drop(flush_s)
        self._context.term()

    def _retry(self, timeout_s: float | None) -> float | None:
        """Connect anew if libzmq gave up and it is time; say how long to wait."""
        if self._retry_at is None or self.address is None:
            return timeout_s
        # What libzmq has said meanwhile may be that it goes on trying.
        self._note_all()
        left_s = self._left_s()
        if left_s is not None and left_s <= 0:
            address = self.address
            self._drop()
            self._open(address)
            self.address = address
        elif left_s is not None:
            timeout_s = left_s if timeout_s is None else min(left_s, timeout_s)
        return 0.0 if self._changed else timeout_s

    def _left_s(self) -> float | None:
        """Return the time until connecting anew; None while libzmq is at it."""
        return None if self._retry_at is None else self._retry_at - time.monotonic()

    def _try_each(self, deadline: float) -> list[tuple[str, str]]:
        """Try every address once; return why each one failed up to the good one."""
        refusals: list[tuple[str, str]] = []
        for address in self._file.addresses:
            refusal = self._try(address, deadline)
            if refusal is None:
                self.address = address
                return refusals
            self._drop()
            refusals.append((address, refusal))
        return refusals

    def _try(self, address: str, deadline: float) -> str | None:
        """Try one address; return why it failed, None if it did not."""
        self.failure = None
        try:
            self._open(address)
        except zmq.ZMQError as error:
            return f"it cannot be used here: {error.strerror}"
        reached = False
        end = time.monotonic() + CONNECT_S
        while time.monotonic() < end:
            for event in self._events(end):
                self._note(event)
                if self.connected:
                    return None
                refusal = self._refused()
                if refusal is not None:
                    return refusal
                if event.kind == zmq.EVENT_CONNECTED and not reached:
                    reached = True
                    end = max(min(deadline, time.monotonic() + HANDSHAKE_S), end)
                elif event.kind == zmq.EVENT_CONNECT_RETRIED:
                    return diagnosis(address, CONNECT_S)
        if reached:
            return "it accepts connections but does not answer"
        return f"no answer within {CONNECT_S:g} s"

    def _refused(self) -> str | None:
        """Return why the handshake failed, if it did."""
        return self.failure

    def _events(self, end: float) -> list[ConnectionEvent]:
        """Wait for something to happen to the connection and return it."""
        if self._watch is None:
            return []
        self._watch.pair.poll(max(0, int((end - time.monotonic()) * 1000 + 0.999)))
        return self._watch.drain()

    def _open(self, address: str) -> None:
        """Make a fresh socket and start connecting it."""
        dealer: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._poller.register(dealer, zmq.POLLIN)
        self._dealer = dealer
        self._watch = Watch(self._context, dealer, _WATCHED)
        self._poller.register(self._watch.pair, zmq.POLLIN)
        prepare_dealer(dealer, self._file, address, self._identity, self._limits)
        self._retry_at = None
        dealer.connect(address)

    def _drop(self, linger_s: float = 0.0) -> None:
        """Close the socket, if there is one."""
        if self._watch is not None:
            self._poller.unregister(self._watch.pair)
            self._watch.close()
            self._watch = None
        if self._dealer is not None:
            self._poller.unregister(self._dealer)
            self._dealer.close(int(linger_s * 1000))
            self._dealer = None
        self.address = None
        self._lost()

    def _note_all(self) -> None:
        """Take note of what happened to the connection."""
        for event in self._watch.drain() if self._watch is not None else ():
            before = self.connected, self.failure
            self._note(event)
            self._changed |= before != (self.connected, self.failure)

    def _note(self, event: ConnectionEvent) -> None:
        """Update what is known about the connection."""
        if event.kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.connected = True
            self.disconnected_since = None
            self.failure = None
        elif event.kind == zmq.EVENT_DISCONNECTED:
            if not self.connected and self.failure is None:
                self.failure = _STRANGE
            # libzmq says at once that it will connect again, or it never will:
            # nonsense from who listens there it takes for final.
            self._retry_at = time.monotonic() + RETRY_S
            self._lost()
        elif event.kind == zmq.EVENT_CONNECT_RETRIED:
            self._retry_at = None
        elif event.kind in _FAILURES:
            self.failure = _FAILURES[event.kind]

    def _lost(self) -> None:
        """Remember when the connection was lost, once."""
        if self.connected or self.disconnected_since is None:
            self.connected = False
            self.disconnected_since = time.monotonic()

    def _register(self, fds: set[int]) -> None:
        """Make the poller look at these descriptors and no other."""
        for gone in self._fds - fds:
            self._poller.unregister(gone)
        for new in fds - self._fds:
            self._poller.register(new, zmq.POLLIN)
        self._fds = fds
