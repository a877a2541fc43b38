"""The run's end of its control socket: a thread that answers, and takes orders."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from gridmap.control import door, messages
from gridmap.errors import RemoteProtocolError, RunError
from gridmap.events import JobOutput

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from gridmap.control.messages import Answer, Question
    from gridmap.events import Event

_log = logging.getLogger(__name__)

_MOST_PEERS: Final = 64
_MOST_WAITING: Final = 16 * 2**20
"""Bytes that somebody who follows may be behind; then he is hung up on."""

_CHUNK: Final = 2**16
_FAREWELL_S: Final = 0.5
"""For those who follow to be told of the end."""

_DEAF_S: Final = 1.0
"""Until the door is tried again, once a connection could not be taken."""


class Orders(Protocol):
    """What a run can be ordered. Called in the server's thread; returns at once."""

    def kill_run(self, by: str) -> None:
        """End the run."""

    def kill_jobs(self, first: int, stop: int, by: str) -> None:
        """End jobs that are not over."""

    def watch(self, *, output: bool) -> Callable[[], None]:
        """Have jobs' progress, and what they print, told at once; return the end."""


class _Peer(msgspec.Struct, eq=False):
    socket: socket.socket
    heard: bytearray = msgspec.field(default_factory=bytearray)
    waiting: bytearray = msgspec.field(default_factory=bytearray)
    follows: bool = False
    output: bool = False
    look_no_more: Callable[[], None] | None = None


class ControlServer:
    """Answers the user's other processes.

    Args:
        folder: Where control sockets are; see `gridmap.control.door`.
        token: The run's token.
        look: Returns the run's record as bytes; called in the server's thread.
        orders: Who carries out orders.

    Raises:
        OSError, RunError: If the socket cannot be had.
    """

    def __init__(
        self, folder: Path, token: str, look: Callable[[], bytes], orders: Orders
    ) -> None:
        self._folder, self._token = folder, token
        self._look, self._orders = look, orders
        self._peers: dict[int, _Peer] = {}
        self._events: deque[Event] = deque()
        self._followed = False
        self._ending = False
        self._deaf = False
        self._listener = door.listen(folder, token)
        self._waker, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)[::-1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(
            target=self._run, name="gridmap-control", daemon=True
        )
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Pass an event on to those who follow; returns at once. Any one thread."""
        if self._followed:
            self._events.append(event)
            self._wake()

    def close(self) -> None:
        """Tell those who follow the last events, and hang up. Called once."""
        self._ending = True
        self._wake()
        self._thread.join()
        # Not by the thread, which may end before it is woken: the number would be
        # another file's by then.
        os.close(self._waker)
        os.close(self._woken)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake
            os.write(self._waker, b"\0")

    def _run(self) -> None:
        try:
            while not self._ending:
                self._turn(None)
                if self._deaf:
                    self._turn(_DEAF_S)
                    self._selector.register(self._listener, selectors.EVENT_READ)
                    self._deaf = False
            self._turn(0.0)
            for peer in list(self._peers.values()):
                self._farewell(peer)
        except Exception:  # noqa: BLE001 - never able to disturb a run
            _log.exception("the control socket failed: the run goes on without it")
        finally:
            door.remove(self._folder, self._token)
            for peer in list(self._peers.values()):
                self._hang_up(peer)
            self._selector.close()
            self._listener.close()
            self._followed = False

    def _turn(self, patience_s: float | None) -> None:
        for key, mask in self._selector.select(patience_s):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, _CHUNK)
            else:
                self._serve(key.data, mask)
        while self._events:
            self._spread(self._events.popleft())

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # no descriptors: it would be ready for ever
            _log.info("a connection to the control socket is not taken: %s", error)
            self._selector.unregister(self._listener)
            self._deaf = True
            return
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            own = door.user_of(connection) == os.geteuid()
            if not own or len(self._peers) >= _MOST_PEERS:
                connection.close()
                return
            peer = _Peer(connection)
            self._peers[connection.fileno()] = peer
            self._selector.register(connection, selectors.EVENT_READ, peer)

    def _hang_up(self, peer: _Peer) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(peer.socket)
        self._peers.pop(peer.socket.fileno(), None)
        peer.socket.close()
        if peer.look_no_more is not None:
            peer.look_no_more()
        self._followed = any(other.follows for other in self._peers.values())

    def _farewell(self, peer: _Peer) -> None:
        with contextlib.suppress(OSError):
            peer.socket.settimeout(_FAREWELL_S)
            peer.socket.sendall(peer.waiting)

    def _serve(self, peer: _Peer, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                del peer.waiting[: peer.socket.send(peer.waiting)]
                self._watch(peer)
            if mask & selectors.EVENT_READ:
                data = peer.socket.recv(_CHUNK)
                if not data:
                    self._hang_up(peer)
                    return
                peer.heard += data
                self._read(peer)
        except BlockingIOError:
            return
        except (OSError, RemoteProtocolError) as error:
            _log.info("a connection to the control socket is closed: %s", error)
            self._hang_up(peer)

    def _read(self, peer: _Peer) -> None:
        head = messages.LENGTH.size
        while len(peer.heard) >= head:
            (size,) = messages.LENGTH.unpack_from(peer.heard)
            if size > messages.MOST_ASKED:
                msg = f"a question of {size} bytes"
                raise RemoteProtocolError(msg)
            if len(peer.heard) < head + size:
                return
            body = bytes(peer.heard[head : head + size])
            del peer.heard[: head + size]
            self._answer(peer, messages.question(body))

    def _answer(self, peer: _Peer, question: Question) -> None:
        answer: Answer
        try:
            answer = self._do(peer, question)
        except Exception as error:  # noqa: BLE001 - told to who asked
            _log.exception("a question at the control socket failed")
            answer = messages.Refused(text=f"{type(error).__name__}: {error}")
        self._say(peer, answer)

    def _do(self, peer: _Peer, question: Question) -> Answer:
        if isinstance(question, messages.Look):
            if len(peer.waiting) > _MOST_WAITING:
                return messages.Refused(text="read what was answered first")
            return messages.Shown(record=self._look())
        if isinstance(question, messages.Follow):
            peer.output = question.output
            if peer.look_no_more is None:
                peer.look_no_more = self._orders.watch(output=question.output)
            peer.follows = self._followed = True
        elif isinstance(question, messages.KillRun):
            self._orders.kill_run(question.by)
        else:
            for first, stop in question.spans:
                self._orders.kill_jobs(first, stop, question.by)
        return messages.Told()

    def _spread(self, event: Event) -> None:
        wanted = isinstance(event, JobOutput)
        followers = [
            peer
            for peer in self._peers.values()
            if peer.follows and (peer.output or not wanted)
        ]
        if not followers:
            return
        try:
            message = messages.happened(event)
        except (TypeError, ValueError, RunError):
            _log.exception("an event cannot be told at the control socket")
            return
        for peer in followers:
            if len(peer.waiting) > _MOST_WAITING:
                self._hang_up(peer)
            else:
                self._say(peer, message)

    def _say(self, peer: _Peer, message: Any) -> None:
        peer.waiting += messages.encode(message)
        self._watch(peer)

    def _watch(self, peer: _Peer) -> None:
        wanted = selectors.EVENT_READ
        if peer.waiting:
            wanted |= selectors.EVENT_WRITE
        self._selector.modify(peer.socket, wanted, peer)
