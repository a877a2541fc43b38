"""Whose turn it is to have a piece of a large frame under way. Pure.

libzmq encrypts and decrypts for all runners in one thread, some 50 MB a second. So what
is under way is bounded for all of them together too, and every heartbeat and every quick
job waits for as much at most.
"""

from __future__ import annotations

from typing import Final, TypeAlias

MOST_UNDER_WAY: Final = 64 << 20
"""Bytes under way to and from all runners: a bit more than a second's work."""

STALLED_S: Final = 5.0
"""After so long without a piece a flow does not count any more: its runner is held up,
or its line is slow, and the others must not wait for that."""

Flow: TypeAlias = bytes | int
"""What a peer brings, by its routing id; or a frame that goes out, by its number."""


class Turns:
    """Lets flows go on, the one that has waited longest first."""

    def __init__(self, most_bytes: int = MOST_UNDER_WAY) -> None:
        """Begin with none.

        Args:
            most_bytes: How much may be under way.
        """
        self._most = most_bytes
        # Who moved last comes last. There may be thousands, each with a small frame.
        self._under_way: dict[Flow, tuple[int, float]] = {}
        self._together = 0
        self._waiting: dict[Flow, None] = {}

    def wait(self, flow: Flow) -> None:
        """A flow could go on; if it waits already, it keeps its place."""
        self._waiting[flow] = None

    def moved(self, flow: Flow, under_way: int, now: float) -> None:
        """A piece of a flow was let go, or came; so much of it is under way now."""
        self._count_out(flow)
        if under_way:
            self._under_way[flow] = under_way, now
            self._together += under_way

    def leave(self, flow: Flow) -> None:
        """A flow is over."""
        self._waiting.pop(flow, None)
        self._count_out(flow)

    def _count_out(self, flow: Flow) -> None:
        self._together -= self._under_way.pop(flow, (0, 0.0))[0]

    def next(self, now: float) -> Flow | None:
        """Return who may have one more piece under way, which does not wait any more.

        None if nobody waits, or there is no room.
        """
        if not self._waiting:
            return None
        self._pass_over_stalled(now)
        if self._together >= self._most:
            return None
        flow = next(iter(self._waiting))
        del self._waiting[flow]
        return flow

    def _pass_over_stalled(self, now: float) -> None:
        while self._under_way:
            flow, (_, moved_at) = next(iter(self._under_way.items()))
            if now - moved_at < STALLED_S:
                return
            self._count_out(flow)
