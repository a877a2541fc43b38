"""What a runner holds for one content that it shares: sockets, lines and memory."""

from __future__ import annotations

import os
import random
import selectors
from typing import TYPE_CHECKING, Final

from gridmap.runner.node import lines
from gridmap.runner.node.election import Seat

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gridmap.runner.node.naming import Content

SILENT_S: Final = 5.0
"""How long one who comes may take to prove that it is a runner of the run."""

PAUSE_S: Final = 0.1
"""How long nobody is let in after a stranger: whoever knocks without end is to cost
little. A runner that has to wait is heard before its patience is over."""


class Part:
    """One runner's part, as far as it can be touched. Used in one thread.

    Attributes:
        content: What is shared.
        seat: The rules of it.
        key: What is proven by the name that is used now.
        frames: Descriptors of the frames that are here, in order.
        leader: The line to who leads; None if there is none.
        followers: The lines of those who came, by number.
    """

    def __init__(self, content: Content, selector: selectors.BaseSelector) -> None:
        """Begin with nothing.

        Args:
            content: What is shared.
            selector: Where sockets are registered, each with what to call when there
                is something to read.
        """
        self.content = content
        spread = random.random()  # noqa: S311 - it spreads, and hides nothing
        self.seat = Seat(len(content.sizes), spread)
        self.key = b""
        self.frames: list[int] = []
        self.leader: lines.Following | None = None
        self.followers: dict[int, lines.Leading] = {}
        self._selector = selector
        self._listener: socket.socket | None = None
        self._knock: Callable[[], None] = lambda: None
        self._shut: float | None = None
        self._silent: dict[int, float] = {}
        self._numbers = 0

    @property
    def descriptors(self) -> int:
        """How many it has, at most."""
        return 1 + len(self.frames) + len(self.followers)

    @property
    def due(self) -> float | None:
        """When there is something to do at the latest; None: that will be heard."""
        dues = [since + SILENT_S for since in self._silent.values()]
        dues += [due for due in (self.seat.due, self._shut) if due is not None]
        return min(dues, default=None)

    # Others' end --------------------------------------------------------------------

    def lead(self, generation: int, knock: Callable[[], None]) -> bool:
        """Bind the name; say whether it was free.

        Args:
            generation: Which name.
            knock: What to call when somebody comes.

        Raises:
            OSError: If that cannot be done here.
        """
        self.key = self.content.key(generation)
        self._listener = lines.listen(self.content.place(generation))
        if self._listener is None:
            return False
        self._knock = knock
        self._selector.register(self._listener, selectors.EVENT_READ, knock)
        return True

    def let_in(self, now: float) -> int | None:
        """Let somebody in; return the number of the line, None if it is a stranger."""
        if self._listener is None:
            return None
        try:
            follower = lines.accept(self._listener)
        except OSError:  # no descriptor is left
            follower = None
        if follower is None:
            self._selector.unregister(self._listener)
            self._shut = now + PAUSE_S
            return None
        self._numbers += 1
        self.followers[self._numbers] = follower
        self._silent[self._numbers] = now
        return self._numbers

    def proven(self, number: int) -> None:
        """Who came has shown that it is a runner of the run."""
        self._silent.pop(number, None)

    def leave(self, number: int) -> None:
        """Hang up on a follower."""
        self.seat.left(number)
        self._silent.pop(number, None)
        follower = self.followers.pop(number, None)
        if follower is not None:
            self.unwatch(follower.sock)

    def tidy(self, now: float) -> None:
        """Hang up on those who prove nothing, and let in who waits, where it is time."""
        for number, since in list(self._silent.items()):
            if now - since >= SILENT_S:
                self.leave(number)
        if self._shut is not None and now >= self._shut and self._listener is not None:
            self._shut = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._knock)

    # This end -----------------------------------------------------------------------

    def follow(self, generation: int, hear: Callable[[], None]) -> bool:
        """Connect to who has the name; say whether anybody answers to it.

        Args:
            generation: Which name.
            hear: What to call when there is something to hear.

        Raises:
            RemoteProtocolError: If another user has it.
            OSError: If that cannot be done here.
        """
        self.leader = lines.connect(self.content.place(generation))
        if self.leader is None:
            return False
        self.watch(self.leader.sock, hear)
        return True

    def hang_up(self) -> None:
        """Hang up on the leader."""
        if self.leader is not None:
            self.unwatch(self.leader.sock)
            self.leader = None

    def let_go(self) -> None:
        """Let go of everything."""
        self.hang_up()
        if self._listener is not None:
            if self._shut is None:
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = self._shut = None
        for number in list(self.followers):
            self.leave(number)
        while self.frames:
            os.close(self.frames.pop())

    def watch(self, sock: socket.socket, act: Callable[[], None]) -> None:
        """Have something called when there is something to read."""
        self._selector.register(sock, selectors.EVENT_READ, act)

    def unwatch(self, sock: socket.socket) -> None:
        """Close a socket that was watched."""
        self._selector.unregister(sock)
        sock.close()
