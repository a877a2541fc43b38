"""Messages as libzmq has them: making a whole one ready, and taking one in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from gridmap.transport.frames import measured
from gridmap.transport.limits import LARGE_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.transport.frames import Frame


def prepared(frames: Sequence[Frame], frame_bytes: int) -> list[bytes | zmq.Frame]:
    """Make every frame ready to be sent before the first of them is.

    Raises:
        LocalProtocolError: As `measured`.
    """
    parts: list[bytes | zmq.Frame] = []
    for frame, length in zip(frames, measured(frames, frame_bytes), strict=True):
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
