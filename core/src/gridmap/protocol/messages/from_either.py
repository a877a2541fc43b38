"""What either side says: the parts of large frames, and how far these may go."""

from __future__ import annotations

from gridmap.protocol.messages.fields import Count, Message


class Piece(Message, frozen=True, tag="piece"):
    """A part of a large frame, which follows. It is said when it may be.

    Attributes:
        frame: The frame's number.
        at: Where in it the part begins, bytes.
    """

    frame: Count
    at: Count


class Credit(Message, frozen=True, tag="credit"):
    """How far a large frame has come, and may be sent.

    Attributes:
        frame: Its number.
        came: Bytes that are there.
        until: Bytes that may be sent, those included.
    """

    frame: Count
    came: Count
    until: Count
