"""Runners whose large frames travel apart, on connections of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.transport.bulk.requests import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.payload import Frame
    from gridmap.protocol import messages as m
    from gridmap.transport.bulk.server import BulkServer


class Apart:
    """Who they are. Used in the monitor's thread alone."""

    def __init__(self, server: BulkServer | None) -> None:
        """Begin with none.

        Args:
            server: Where frames are fetched and brought; None: nowhere.
        """
        self._server = server
        self._peers: set[bytes] = set()

    def meet(self, peer: bytes, hello: m.Hello) -> None:
        """Take in what one who says hello tells of himself."""
        self.part(peer)
        if self._server is not None and hello.apart:
            self._peers.add(peer)

    def part(self, peer: bytes) -> None:
        """A peer is gone, hears all anew, or is to get nothing apart any more."""
        if self._server is not None and peer in self._peers:
            self._peers.discard(peer)
            self._server.depot.withdraw(peer)

    def upload_key(self, peer: bytes) -> bytes:
        """Return what a peer needs to bring frames; empty if it is to bring none."""
        if self._server is None or peer not in self._peers:
            return b""
        return self._server.upload_key

    def offering(self, peer: bytes) -> Callable[[Frame], bytes] | None:
        """Return what has a frame lie ready for a peer; None if it fetches none.

        It is for one message. A frame that is in it several times is fetched once.
        """
        server = self._server
        if server is None or peer not in self._peers:
            return None
        known: dict[int, bytes] = {}

        def offer(frame: Frame) -> bytes:
            # It lies there and keeps its number until it is fetched, after the message
            # that this is used for has been put together.
            if id(frame) not in known:
                known[id(frame)] = server.depot.offer(peer, frame)
            return known[id(frame)]

        return offer

    def withdraw(self, reference: Frame) -> None:
        """Forget a frame that lies ready for a peer."""
        if self._server is not None:
            self._server.depot.collect(REFERENCE.unpack(reference)[0])

    def bringing(self, peer: bytes, *, writable: bool) -> Callable[[Frame, int], Frame]:
        """Return what takes a frame that a peer has brought; it may raise OSError."""

        def bring(reference: Frame, limit_bytes: int) -> Frame:
            if self._server is None or peer not in self._peers:
                msg = "it was not to bring any"
                raise PermissionError(msg)
            frame = self._server.depot.take(reference, limit_bytes)
            return frame if writable else frame.toreadonly()

        return bring

    @property
    def strangers(self) -> int:
        """How many came to the port who are no runners."""
        return 0 if self._server is None else self._server.strangers

    def close(self) -> None:
        """The run is over."""
        self._peers.clear()
        if self._server is not None:
            self._server.close()
