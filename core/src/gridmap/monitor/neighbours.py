"""Runners on the monitor's own host, whose memory it can open, and they its."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from gridmap.payload import memory, refill
from gridmap.payload.neighbour import Evidence, look

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.payload import Frame
    from gridmap.protocol import messages as m


class Neighbours:
    """Who they are. Used in the monitor's thread alone."""

    def __init__(self, evidence: Evidence) -> None:
        """Begin with none.

        Args:
            evidence: What the connection file refers to.
        """
        self._evidence = evidence
        self._pids: dict[bytes, int] = {}
        self._keeps = refill.share()

    def __contains__(self, peer: bytes) -> bool:
        """Say whether frames for a peer can be referred to."""
        return peer in self._pids

    def meet(self, peer: bytes, hello: m.Hello) -> None:
        """See whether one who says hello is a neighbour."""
        # Inputs are copied, wherever they go.
        refill.begin(self, mapped=True, most_bytes=self._keeps)
        self._pids.pop(peer, None)
        text = self._evidence.text
        if not text or not hmac.compare_digest(text, hello.seen):
            return
        if look(hello.pid, hello.memory) == hello.nonce.encode():
            self._pids[peer] = hello.pid

    def turn(self, now: float) -> None:
        """Give back memory that was kept for inputs, and no longer is needed."""
        refill.tidy(now)

    def part(self, peer: bytes) -> None:
        """A peer is gone, or is none any more."""
        self._pids.pop(peer, None)

    def clear(self) -> None:
        """The run is over: let go of the memory that runners looked for."""
        self._evidence = Evidence(b"", b"", None)
        self._pids.clear()
        refill.end(self)

    def fetching(self, peer: bytes, *, writable: bool) -> Callable[[Frame, int], Frame]:
        """Return what fetches the memory that a peer refers to; see `memory.fetch`.

        It raises OSError where that cannot be opened, as the peer is no neighbour, say.
        """

        def fetch(reference: Frame, limit_bytes: int) -> Frame:
            if peer not in self._pids:
                msg = "it is no neighbour"
                raise PermissionError(msg)
            pid = self._pids[peer]
            frame = memory.take(memory.fetch(pid, reference, limit_bytes))
            return frame if writable else frame.toreadonly()

        return fetch
