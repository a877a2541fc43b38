"""The rules by which large frames travel in pieces among all other messages. Pure.

Whoever takes a frame in says how far it may be sent (`Credit`), never more than
`WINDOW_BYTES` beyond what has come; whoever sends it says no more than that (`Piece`).
So what is said meanwhile, a heartbeat say, waits for a window at most, however large
the frame and slow the line. Frames are numbered by whoever sends them, and within one
each piece follows the last: the line keeps order, and what is out of it was not sent by
these rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECE_BYTES: Final = 256 * 1024
"""Bytes of each piece of a frame but the last: 5 ms for whoever encrypts it, and so for
others who wait for the same thread."""

WINDOW_BYTES: Final = 8 * PIECE_BYTES
"""How much may be under way to one receiver: a second's work of a line of 2 MiB/s, and
enough for 40 MiB/s where an answer takes 50 ms."""


class Intake:
    """Frames that come in pieces, as whoever takes them in sees them.

    Attributes:
        under_way: Bytes that may be sent, and have not come.
        left: Bytes that have not come.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        """Begin; nothing may be sent yet.

        Args:
            sizes: Of each frame, in the order in which they are to come, bytes, at
                least 1.
        """
        self.under_way = 0
        self.left = sum(sizes)
        self._sizes = sizes
        self._came = [0] * len(sizes)
        self._allowed = [0] * len(sizes)
        self._next = 0  # the first frame that may not be sent to its end yet
        self._due: dict[int, None] = {}

    def take(self, place: int, at: int, length: int) -> bool:
        """Take in that a piece has come.

        Args:
            place: Of which frame, from 0.
            at: Where in the frame it begins.
            length: Its bytes.

        Returns:
            Whether the frame is there to its end.

        Raises:
            RemoteProtocolError: If it is not the next one of its frame, not as long as
                a piece is, or was not to be sent yet.
        """
        if not 0 <= place < len(self._sizes):
            msg = "a piece of a frame that was not to be sent"
            raise RemoteProtocolError(msg)
        size, came = self._sizes[place], self._came[place]
        if at != came or length != min(PIECE_BYTES, size - came) or not length:
            msg = f"a piece of {length} bytes at {at} of a frame where {came} have come"
            raise RemoteProtocolError(msg)
        if came + length > self._allowed[place]:
            msg = f"a piece at {at} of a frame that may be sent to {came} only"
            raise RemoteProtocolError(msg)
        self._came[place] += length
        self.under_way -= length
        self.left -= length
        return self._came[place] == size

    def allow(self, most_bytes: int = WINDOW_BYTES) -> bool:
        """Let more be sent, as far as there is room; say whether any more may be.

        Args:
            most_bytes: How much may be under way at most.
        """
        before = self.under_way
        while self._next < len(self._sizes):
            place = self._next
            left = self._sizes[place] - self._allowed[place]
            room = most_bytes - self.under_way
            more = left if left <= room else room // PIECE_BYTES * PIECE_BYTES
            if more <= 0:
                break
            self._allowed[place] += more
            self.under_way += more
            self._next += more == left
            self.tell(place)
        return self.under_way > before

    @property
    def allowed(self) -> bool:
        """Whether all of it may be sent."""
        return self._next == len(self._sizes)

    @property
    def over(self) -> bool:
        """Whether all of it has come, and that was said."""
        return not self.left and not self._due

    def tell(self, place: int) -> None:
        """Have it said how far a frame has come."""
        self._due[place] = None

    def tell_again(self) -> None:
        """Have it said how far all have come that are begun and not there."""
        for place, until in enumerate(self._allowed):
            if self._came[place] < self._sizes[place] and until:
                self.tell(place)

    def due(self) -> tuple[int, int, int] | None:
        """Return what is to be said next: a frame's place, what came, what may be sent.

        None if there is nothing. It is said again until it is `said`.
        """
        for place in self._due:
            return place, self._came[place], self._allowed[place]
        return None

    def said(self, place: int) -> None:
        """What is `due` of a frame was said."""
        del self._due[place]


class Outflow:
    """One frame that goes in pieces, as its sender sees it.

    Attributes:
        size: Its bytes, at least 1.
        sent: How many of them were sent.
        came: How many of these are known to have come.
    """

    def __init__(self, size: int) -> None:
        """Begin; nothing may be sent yet."""
        self.size = size
        self.sent = self.came = 0
        self._allowed = 0

    def allow(self, came: int, until: int) -> None:
        """Take in how much has come, and up to where it may be sent.

        Raises:
            RemoteProtocolError: If that cannot be: less than before, more than was
                sent, beyond the frame's end, or more than a window.
        """
        most = min(self.size, came + WINDOW_BYTES)
        if not (self.came <= came <= self.sent and self._allowed <= until <= most):
            msg = (
                f"of a frame of {self.size} bytes, {self.sent} of them sent and "
                f"{self._allowed} allowed, {came} are said to have come and {until} to "
                "be allowed"
            )
            raise RemoteProtocolError(msg)
        self.came, self._allowed = came, until

    def next(self) -> int:
        """Return how long the piece is that may be sent now; 0 if none may."""
        length = min(PIECE_BYTES, self.size - self.sent)
        return length if self.sent + length <= self._allowed else 0

    def went(self, length: int) -> None:
        """A piece was sent."""
        self.sent += length

    @property
    def under_way(self) -> int:
        """Bytes that were sent, and are not known to have come."""
        return self.sent - self.came

    @property
    def awaited(self) -> int:
        """Bytes that may be sent, and are not known to have come."""
        return self._allowed - self.came
