"""The frames of messages, whatever carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gridmap.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

Frame: TypeAlias = bytes | memoryview
"""What receiving gives: bytes if small, a view into the transport's memory if large."""


def measured(frames: Sequence[Frame], frame_bytes: int) -> list[int]:
    """Return the length of each frame, before the first of them is sent.

    A message that failed in its middle would leave the other side waiting for the
    rest of it, and the next message would become its end.

    Raises:
        LocalProtocolError: If there is no frame, or one is too long for the peer.
    """
    if not frames:
        msg = "a message needs at least one frame"
        raise LocalProtocolError(msg)
    lengths = [
        frame.nbytes if isinstance(frame, memoryview) else len(frame)
        for frame in frames
    ]
    if max(lengths) > frame_bytes:
        msg = f"a frame of {max(lengths)} bytes exceeds the limit of {frame_bytes}"
        raise LocalProtocolError(msg)
    return lengths
