"""What is said to runners, and what has to be said though a connection is full.

A socket takes so many messages for a peer that does not read, and refuses what comes.
Work that is refused is taken back, and what answers a runner is asked for again. Nothing
asks again for an order: to leave a job, to hand work back, to forget a function, to
end. These wait here, and all that comes behind them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_WAITING: Final = 1000
"""Orders that wait for one peer, at most: as many as a socket takes."""


Message: TypeAlias = Sequence[bytes | memoryview]
"""Frames as they are sent."""


class Post:
    """Sends messages. Used in the monitor's thread alone."""

    def __init__(self, send: Callable[[bytes, Message], bool]) -> None:
        """Begin with nothing waiting.

        Args:
            send: Sends a message to a peer; tells whether it is on its way.
        """
        self._send = send
        self._waiting: dict[bytes, deque[Message]] = {}

    def send(self, peer: bytes, frames: Message) -> bool:
        """Send a message; tell whether it is on its way, which it is not for good."""
        return self._catch_up(peer) and self._send(peer, frames)

    def order(self, peer: bytes, frames: Message) -> bool:
        """Send what has to arrive while the connection holds, now or later.

        Returns:
            False if too much waits for that peer, and this is not kept.
        """
        if self.send(peer, frames):
            return True
        waiting = self._waiting.setdefault(peer, deque())
        if len(waiting) == MOST_WAITING:
            return False
        waiting.append(frames)
        return True

    def forget(self, peer: bytes) -> None:
        """A peer is gone."""
        self._waiting.pop(peer, None)

    def turn(self) -> None:
        """Send what can be sent by now. To be called now and then."""
        for peer in list(self._waiting):
            self._catch_up(peer)

    def _catch_up(self, peer: bytes) -> bool:
        """Send what waits for a peer; tell whether all of it is on its way."""
        waiting = self._waiting.get(peer)
        while waiting:
            if not self._send(peer, waiting[0]):
                return False
            waiting.popleft()
        if waiting is not None:
            del self._waiting[peer]
        return True
