"""What goes to runners: messages, and with work its function and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gridmap.protocol import codec
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from gridmap.monitor.large import LargeFrames
    from gridmap.monitor.neighbours import Neighbours
    from gridmap.monitor.store import Store
    from gridmap.payload import Frame
    from gridmap.transport.router import MonitorSocket


class Outgoing:
    """Sends, and knows who has which function. Used in the monitor's thread alone."""

    def __init__(
        self,
        socket: MonitorSocket,
        store: Store,
        neighbours: Neighbours,
        large: LargeFrames,
    ) -> None:
        """Begin with runners that have nothing.

        Args:
            socket: Where it goes out.
            store: What jobs are made of.
            neighbours: Who is only referred to large frames.
            large: How else large frames go out.
        """
        self._socket = socket
        self._store = store
        self._neighbours = neighbours
        self._large = large
        # Functions by peer, and whether it is sure to have them.
        self._sent: dict[bytes, dict[bytes, bool]] = {}

    def say(self, peer: bytes, message: m.FromMonitor) -> None:
        """Say something that has no payload."""
        if isinstance(message, m.Welcome):
            known = self._sent.setdefault(peer, {})
            known.update(dict.fromkeys(known, False))
            message = msgspec.structs.replace(
                message,
                memory=peer in self._neighbours,
                upload=self._large.upload_key(peer),
                bringing=self._large.bringing_since(peer),
            )
        self._socket.send(peer, [codec.encode(message)])

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
            if not self._socket.send(peer, [content, *self._sendable(frames, peer)]):
                return False
            if not once:
                sent[work.function] = True
        stop = work.first + work.count
        inputs = self._store.inputs(work.first, stop, neighbour=neighbour)
        message = codec.encode(work)
        return self._socket.send(peer, [message, *self._sendable(inputs, peer)])

    def _sendable(self, frames: list[Frame], peer: bytes) -> list[bytes | memoryview]:
        """Return encoded frames as they are sent to a peer."""
        neighbour = peer in self._neighbours
        frames = self._large.referring(peer, frames, neighbour=neighbour)
        return [memoryview(f) if isinstance(f, bytearray) else f for f in frames]

    def discard(self, digest: bytes) -> None:
        """Have runners forget a function too: it may hold much of their memory."""
        message = codec.encode(m.Discard(digest=digest))
        for peer, sent in self._sent.items():
            if sent.pop(digest, None) is not None:
                self._socket.send(peer, [message])

    def forget(self, peer: bytes) -> None:
        """A peer is gone, and what it has is gone with it."""
        self._sent.pop(peer, None)
