"""The frames of messages: making all of one ready before it leaves, and taking it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import zmq

from gridmap.errors import LocalProtocolError
from gridmap.transport.limits import LARGE_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

Frame: TypeAlias = bytes | memoryview
"""What receiving gives: bytes if small, a view into libzmq's memory if large."""


def prepared(frames: Sequence[Frame], frame_bytes: int) -> list[bytes | zmq.Frame]:
    """Make every frame ready to be sent before the first of them is.

    A frame that failed in the middle of a message would leave the socket waiting
    for the rest of it, and the next message would become its end.

    Raises:
        LocalProtocolError: If there is no frame, or one is too long for the peer.
    """
    if not frames:
        msg = "a message needs at least one frame"
        raise LocalProtocolError(msg)
    parts: list[bytes | zmq.Frame] = []
    for frame in frames:
        length = frame.nbytes if isinstance(frame, memoryview) else len(frame)
        if length > frame_bytes:
            msg = f"a frame of {length} bytes exceeds the limit of {frame_bytes}"
            raise LocalProtocolError(msg)
        if type(frame) is bytes and length < LARGE_FRAME_BYTES:
            parts.append(frame)
        else:
            parts.append(zmq.Frame(frame, copy=length < LARGE_FRAME_BYTES))
    return parts


def receive(dealer: zmq.Socket[bytes]) -> list[Frame]:
    """Return the next message of a socket with one peer.

    Raises:
        zmq.Again: If there is none.
    """
    frames: list[Frame] = []
    while True:
        frame: Any = dealer.recv(zmq.NOBLOCK, copy=False)
        small = not frames or len(frame) < LARGE_FRAME_BYTES
        frames.append(frame.bytes if small else frame.buffer)
        if not frame.more:
            return frames
