"""The driver's end: one thread at the door, and one for each frame under way.

Who has not proven to be a runner gets no thread, no memory beyond its first bytes, and
little time; strangers that come too fast are left to wait in the kernel's queue.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import random
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from gridmap.errors import RemoteProtocolError
from gridmap.payload import refill
from gridmap.transport.allowance import Allowance
from gridmap.transport.bulk import stream
from gridmap.transport.bulk.depot import Depot
from gridmap.transport.bulk.requests import (
    CHALLENGE_BYTES,
    REQUEST_BYTES,
    Request,
    Want,
    upload_key,
)
from gridmap.transport.bulk.sealing import fresh_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.transport.addresses import Endpoint, PortRange
    from gridmap.transport.limits import Limits

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 32
"""Frames under way at a time. More would not be faster; but some of them may be those
of runners that are held up, and the others must not wait for these."""

_MOST_SILENT: Final = 256
_SILENT_S: Final = 5.0
_PAUSE_S: Final = 0.5
_CLOSING_S: Final = 5.0


class _Newcomer:
    """Who has not proven anything yet."""

    def __init__(self, since: float, challenge: bytes) -> None:
        self.since, self.challenge = since, challenge
        self.said = bytearray()


class _Errand(NamedTuple):
    """A connection, and what is to be done on it."""

    sock: socket.socket
    work: Callable[[socket.socket], None]


class BulkServer:
    """Where runners fetch and bring large frames.

    Attributes:
        addresses: What to offer to runners, in the order of the endpoints; empty if
            no port could be had, so that all travels over CURVE.
        upload_key: What keys of frames that runners bring are made of; goes to them
            over CURVE only.
        depot: What lies here.
        strangers: Connections that did not prove to be a runner's, so far.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        secret: bytes,
        limits: Limits,
        port_range: PortRange | None = None,
    ) -> None:
        """Listen, and begin.

        Args:
            endpoints: Where.
            secret: What requests are proven with.
            limits: How long a frame may be, and how fast strangers may come.
            port_range: Ports that may be used; None: any.
        """
        self.upload_key = fresh_key()
        self.depot = Depot(limits.message_bytes)
        self.strangers = 0
        self._secret, self._limits = secret, limits
        self._allowance = Allowance(
            limits.strangers_hz, limits.strangers_at_once, limits.strangers_hz
        )
        self._shut_until = 0.0
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._silent: dict[socket.socket, _Newcomer] = {}
        self._waiting: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()
        self._busy: set[socket.socket] = set()
        self._underway = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self.addresses = tuple(self._listen(endpoints, port_range))
        self._door = threading.Thread(
            target=self._mind_the_door, name="gridmap-bulk", daemon=True
        )
        self._door.start()

    def close(self) -> None:
        """End all that is under way. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._writer.send(b"!")
        with self._lock:
            for sock in self._busy:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self._door.join(_CLOSING_S)
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(_CLOSING_S)
        self._reader.close()
        self._writer.close()
        self.depot.clear()

    def _listen(
        self, endpoints: Sequence[Endpoint], port_range: PortRange | None
    ) -> list[str]:
        offered: list[str] = []
        for endpoint in endpoints:
            try:
                listener, port = _bound(endpoint.bind, port_range)
            except OSError as error:
                _log.info(
                    "large frames travel over CURVE at %s: %s", endpoint.bind, error
                )
                continue
            self._listeners.append(listener)
            host = f"[{endpoint.offer}]" if ":" in endpoint.offer else endpoint.offer
            offered.append(f"tcp://{host}:{port}")
        return offered

    # The door -----------------------------------------------------------------------

    def _mind_the_door(self) -> None:
        selector = self._selector
        selector.register(self._reader, selectors.EVENT_READ)
        self._open()
        try:
            while not self._closing.is_set():
                for key, _ in selector.select(_PAUSE_S):
                    sock = key.fileobj
                    if sock in self._listeners:
                        self._let_in(sock)
                    elif sock in self._silent:
                        self._hear(sock)
                self._mind_the_time(time.monotonic())
        finally:
            for sock in [*self._listeners, *self._silent]:
                sock.close()
            selector.close()

    def _open(self) -> None:
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ)

    def _mind_the_time(self, now: float) -> None:
        self.depot.tidy(now)
        for sock, newcomer in list(self._silent.items()):
            if now - newcomer.since < _SILENT_S:
                break  # they are in the order in which they came
            self._turn_away(sock, now)
        if self._shut_until and now >= self._shut_until:
            self._shut_until = 0.0
            self._open()

    def _let_in(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:  # hung up already, or no descriptor to be had
            self._shut(time.monotonic() + _PAUSE_S)
            return
        sock.setblocking(False)
        newcomer = _Newcomer(time.monotonic(), os.urandom(CHALLENGE_BYTES))
        with contextlib.suppress(OSError):  # 16 bytes, which fit into any buffer
            sock.send(newcomer.challenge)
        self._silent[sock] = newcomer
        self._selector.register(sock, selectors.EVENT_READ)
        if len(self._silent) > _MOST_SILENT:
            self._turn_away(next(iter(self._silent)), time.monotonic())

    def _hear(self, sock: socket.socket) -> None:
        """Read what a newcomer says, and believe it if it is proven."""
        newcomer = self._silent[sock]
        said = newcomer.said
        try:
            data = sock.recv(REQUEST_BYTES - len(said))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        said += data
        if data and len(said) < REQUEST_BYTES:
            return
        try:
            request = Request.decode(bytes(said), self._secret, newcomer.challenge)
        except RemoteProtocolError:
            self._turn_away(sock, time.monotonic())
            return
        self._selector.unregister(sock)
        del self._silent[sock]
        self._serve(sock, request)

    def _turn_away(self, sock: socket.socket, now: float) -> None:
        self._selector.unregister(sock)
        del self._silent[sock]
        self.strangers += 1
        sock.close()
        left = self._allowance.spend(1, now)
        if left < 0:
            self._shut(now - left / self._limits.strangers_hz)

    def _shut(self, until: float) -> None:
        """Leave newcomers to the kernel for a while, which keeps few and drops more."""
        if not self._shut_until:
            for listener in self._listeners:
                self._selector.unregister(listener)
        self._shut_until = max(self._shut_until, until)

    # Frames -------------------------------------------------------------------------

    def _serve(self, sock: socket.socket, request: Request) -> None:
        """Answer at once, and have the frame carried as soon as there is a thread."""
        sock.settimeout(stream.PATIENCE_S)
        work = self._agree(request)
        if work is None:
            sock.close()
            return
        with contextlib.suppress(OSError):  # 32 bytes, which fit into any buffer
            sock.sendall(request.answer(self._secret))
        if request.want in (Want.PROOF, Want.DECLINE):
            sock.close()
            return
        with self._lock:
            self._underway += 1
            lacking = len(self._threads) < min(self._underway, _AT_ONCE)
        if lacking:
            self._start()
        if self._threads:
            self._waiting.put(_Errand(sock, work))
        else:
            self._ended(sock)
            self.depot.give_up(request.ticket)

    def _start(self) -> None:
        """Have one more thread for frames, if there is one to be had."""
        thread = threading.Thread(
            target=self._carry, name="gridmap-bulk-frame", daemon=True
        )
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._threads.append(thread)

    def _carry(self) -> None:
        """Send and receive frames, one after the other."""
        while (item := self._waiting.get()) is not None:
            with self._lock:
                self._busy.add(item.sock)
            try:
                if not self._closing.is_set():
                    item.work(item.sock)
            except Exception as error:  # noqa: BLE001 - whatever it is, CURVE is left
                _log.info("a large frame did not get through: %s", error)
            finally:
                self._ended(item.sock)
                del item  # nor what was sent: the next may be long in coming

    def _ended(self, sock: socket.socket) -> None:
        """Hang up, and count on a thread for the next frame."""
        with self._lock:
            self._busy.discard(sock)
            self._underway -= 1
        sock.close()

    def _agree(self, request: Request) -> Callable[[socket.socket], None] | None:
        """Return what is to be done on this connection; None if that cannot be."""
        ticket, size = request.ticket, request.size
        if request.want is Want.DECLINE:
            self.depot.collect(ticket)
        if request.want in (Want.PROOF, Want.DECLINE):
            return lambda _: None
        if request.want is Want.DOWNLOAD:
            offer = self.depot.collect(ticket)
            if offer is None:
                return None
            return lambda sock: stream.send(sock, offer.key, ticket, offer.frame)
        if size > self._limits.large_bytes:
            return None
        if not self.depot.promise(ticket, size, time.monotonic()):
            return None
        return lambda sock: self._receive(sock, ticket, size)

    def _receive(self, sock: socket.socket, ticket: bytes, size: int) -> None:
        try:
            key = upload_key(self.upload_key, ticket)
            frame = refill.private(size)
            for _ in stream.opened(sock, key, ticket, size, frame):
                pass
        except BaseException:
            self.depot.give_up(ticket)
            raise
        self.depot.bring(ticket, frame, time.monotonic())
        sock.sendall(b"\1")


def _bound(host: str, port_range: PortRange | None) -> tuple[socket.socket, int]:
    """Return a listening socket and its port; start anywhere, since runs are many.

    Raises:
        OSError: If there is none to be had.
    """
    ports = [0] if port_range is None else list(port_range.ports())
    start = random.randrange(len(ports))  # noqa: S311 - spreads, hides nothing
    refusal = OSError("no port is free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports[start:] + ports[:start]:
        try:
            listener = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            refusal = error
        else:
            listener.setblocking(False)
            return listener, int(listener.getsockname()[1])
    raise refusal
