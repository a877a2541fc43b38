"""What goes to runners: messages, and with work its function and inputs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.monitor.post import Post
from gridmap.protocol import codec
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor.large import LargeFrames
    from gridmap.monitor.neighbours import Neighbours
    from gridmap.monitor.store import Store
    from gridmap.payload import Frame
    from gridmap.transport.sockets import MonitorSocket

_PATIENCE_S: Final = 0.005
"""How long an acknowledgement waits for more of its kind. A runner that is given one job
at a time would be woken twice for each: by the job, and by what is said of the last."""

_ORDERS: Final = (m.Welcome, m.Cancel, m.Recall, m.Stop, m.Watch)
"""What is said once. All else is asked for again, or shows in what a runner does."""


class Outgoing:
    """Sends, and knows who has which function. Used in the monitor's thread alone."""

    def __init__(
        self,
        socket: MonitorSocket,
        store: Store,
        neighbours: Neighbours,
        large: LargeFrames,
        shut_out: Callable[[bytes], None],
    ) -> None:
        """Begin with runners that have nothing.

        Args:
            socket: Where it goes out.
            store: What jobs are made of.
            neighbours: Who is only referred to large frames.
            large: How else large frames go out.
            shut_out: Called with a peer for which too many orders wait.
        """
        self._post = Post(socket.send)
        self._shut_out = shut_out
        self._store = store
        self._neighbours = neighbours
        self._large = large
        # Functions by peer, and whether it is sure to have them.
        self._sent: dict[bytes, dict[bytes, bool]] = {}
        self._owed: dict[bytes, list[int]] = {}
        self._due = math.inf

    def pause(self, most_s: float) -> float:
        """Return how long nothing falls due, at most so many seconds."""
        if not self._owed:
            return most_s
        return min(most_s, max(0.0, self._due - time.monotonic()))

    def say(
        self, peer: bytes, message: m.FromMonitor, *, patient: bool = False
    ) -> None:
        """Say something that has no payload.

        Args:
            peer: To whom.
            message: What.
            patient: Whether it may wait, if it is an acknowledgement: for a moment, or
                until something else is said, which work is not.
        """
        if patient and isinstance(message, m.Ack):
            self._owe(peer, message)
            return
        self._settle(peer)
        if isinstance(message, m.Welcome):
            known = self._sent.setdefault(peer, {})
            known.update(dict.fromkeys(known, False))
            message = msgspec.structs.replace(
                message,
                memory=peer in self._neighbours,
                upload=self._large.upload_key(peer),
                bringing=self._large.bringing_since(peer),
            )
        if isinstance(message, _ORDERS):
            self._order(peer, message)
        else:
            self._post.send(peer, [codec.encode(message)])

    def _owe(self, peer: bytes, ack: m.Ack) -> None:
        if not self._owed:
            self._due = time.monotonic() + _PATIENCE_S
        self._owed.setdefault(peer, []).extend(ack.numbers)

    def _settle(self, peer: bytes) -> None:
        """Acknowledge what was not yet."""
        if numbers := self._owed.pop(peer, None):
            self._post.send(peer, [codec.encode(m.Ack(numbers=tuple(numbers)))])

    def _order(self, peer: bytes, message: m.FromMonitor) -> None:
        if not self._post.order(peer, [codec.encode(message)]):
            self._shut_out(peer)

    def work(self, peer: bytes, work: m.Work) -> bool:
        """Send jobs, and their function before them to who may not have it.

        Returns:
            Whether they went; else nothing of them did, but the function perhaps.
        """
        sent = self._sent.setdefault(peer, {})
        neighbour = peer in self._neighbours
        if not sent.get(work.function):
            once = self._store.is_checkpoint(work.function)
            content = codec.encode(m.Content(digest=work.function, once=once))
            frames = self._store.function(work.function, neighbour=neighbour)
            if not self._send(peer, content, frames):
                return False
            if not once:
                sent[work.function] = True
        stop = work.first + work.count
        inputs = self._store.inputs(work.first, stop, neighbour=neighbour)
        return self._send(peer, codec.encode(work), inputs)

    def _send(self, peer: bytes, message: bytes, frames: list[Frame]) -> bool:
        """Send a message with encoded frames; tell whether it went."""
        neighbour = peer in self._neighbours
        frames = self._large.referring(peer, frames, neighbour=neighbour)
        sendable = [memoryview(f) if isinstance(f, bytearray) else f for f in frames]
        if self._post.send(peer, [message, *sendable]):
            return True
        self._large.withdraw(frames)
        return False

    def discard(self, digest: bytes) -> None:
        """Have runners forget a function too: it may hold much of their memory."""
        for peer, sent in self._sent.items():
            if sent.pop(digest, None) is not None:
                self._order(peer, m.Discard(digest=digest))

    def turn(self, now: float) -> None:
        """Send what could not be sent before, and what is due. To be called often."""
        self._post.turn()
        if self._owed and now >= self._due:
            for peer in list(self._owed):
                self._settle(peer)

    def part(self, peer: bytes) -> None:
        """A peer is not connected any more, or has to greet anew."""
        self._post.forget(peer)
        self._owed.pop(peer, None)

    def forget(self, peer: bytes) -> None:
        """A peer is gone, and what it has is gone with it."""
        self._sent.pop(peer, None)
