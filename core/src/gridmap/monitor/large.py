"""Large frames to and from runners, by whichever way each can use.

Those who reach the ports for it have them travel apart (`apart`), and all others in
pieces (`pieces`), as do frames that are large only for being many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap import payload
from gridmap.transport.bulk.requests import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.monitor.apart import Apart
    from gridmap.monitor.pieces import Pieces
    from gridmap.payload import Frame
    from gridmap.protocol import messages as m


class LargeFrames:
    """Either way. Used in the monitor's thread alone."""

    def __init__(self, apart: Apart, pieces: Pieces) -> None:
        self._apart, self._pieces = apart, pieces

    def meet(self, peer: bytes, hello: m.Hello) -> None:
        """Take in what one who says hello tells of himself."""
        self._apart.meet(peer, hello)
        self._pieces.meet(peer, hello)

    def part(self, peer: bytes) -> None:
        """A peer is gone, or will hear all anew."""
        self._apart.part(peer)
        self._pieces.part(peer)

    def upload_key(self, peer: bytes) -> bytes:
        """Return what a peer needs to bring frames apart; empty if it is not to."""
        return self._apart.upload_key(peer)

    def bringing_since(self, peer: bytes) -> int:
        """Return the number of the first frame in pieces that a peer is bringing.

        0 if it is bringing none.
        """
        return self._pieces.bringing(peer)

    def referring(
        self, peer: bytes, frames: Sequence[Frame], *, neighbour: bool
    ) -> list[Frame]:
        """Return a message's encoded frames with references to those that are large.

        Args:
            peer: Whom the message is for.
            frames: What `payload.encode` returned.
            neighbour: Whether it is on this host; see `payload.least_apart`.
        """
        if payload.is_light(frames):
            return list(frames)
        offer = self._apart.offering(peer)
        if offer is not None:
            frames = payload.refer(frames, offer)
        known: dict[int, bytes] = {}

        def put(frame: Frame) -> bytes:
            if id(frame) not in known:
                known[id(frame)] = self._pieces.offer(peer, frame)
            return known[id(frame)]

        least = payload.least_apart(frames, neighbour=neighbour)
        return payload.refer(frames, put, least)

    def withdraw(self, referring: Sequence[Frame]) -> None:
        """Forget what a message refers to that did not go.

        Args:
            referring: What `referring` returned.
        """
        for reference in payload.references(referring):
            if number_of(reference) is None:
                self._apart.withdraw(reference)
            else:
                self._pieces.withdraw(reference)

    def bringing(self, peer: bytes, *, writable: bool) -> Callable[[Frame, int], Frame]:
        """Return what takes a frame that a peer has brought; it may raise OSError."""
        apart = self._apart.bringing(peer, writable=writable)

        def bring(reference: Frame, limit_bytes: int) -> Frame:
            if not self._pieces.has(peer, reference):
                return apart(reference, limit_bytes)
            frame = self._pieces.take(peer, reference, limit_bytes)
            return frame if writable else frame.toreadonly()

        return bring

    def forget_brought(self, peer: bytes) -> None:
        """Forget what a peer has brought in pieces for a message that was heard."""
        self._pieces.forget_brought(peer)

    def hear(
        self,
        peer: bytes,
        message: m.Bring | m.Piece | m.Credit,
        frames: Sequence[Frame],
        now: float,
    ) -> None:
        """Take in what a peer says of frames in pieces.

        Raises:
            RemoteProtocolError: If it may not be said so.
        """
        self._pieces.hear(peer, message, frames, now)

    def turn(self, now: float) -> None:
        """Go on with what could not go on before. To be called now and then."""
        self._pieces.turn(now)

    @property
    def strangers(self) -> int:
        """How many came to the ports for large frames who are no runners."""
        return self._apart.strangers

    def close(self) -> None:
        """The run is over."""
        self._apart.close()
        self._pieces.clear()
