"""How messages are told apart in a stream of bytes. Pure.

::

    number of frames | length of each | the frames, one behind the other
    4 bytes          | 4 bytes        |

in the byte order of the machine, which both ends are on.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Final

from gridmap.errors import RemoteProtocolError
from gridmap.transport.limits import LARGE_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.transport.counters import Counters
    from gridmap.transport.frames import Frame
    from gridmap.transport.limits import Limits

GREETING: Final = b"gridmap"
"""The first frame on a connection; the second is the runner's identity."""

_COUNT: Final = struct.Struct("=I")
MOST_FRAMES: Final = 1 << 20
"""Beyond that it is not a message of which some frames are too many, but nonsense."""


@functools.lru_cache(256)
def _layout(count: int) -> struct.Struct:
    return struct.Struct(f"={1 + count}I")


def head(lengths: Sequence[int]) -> bytes:
    """Return what stands before frames of these lengths."""
    count = len(lengths)
    return _layout(count).pack(count, *lengths)


class Reader:
    """Puts messages together from bytes that arrive in pieces of any size.

    A frame that is large has memory of its own, into which it can be read at once:
    see `room`.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        """Begin where a message begins.

        Args:
            limits: What a message may have; one with more is dropped.
            counters: Where to count those that are.
        """
        self._limits, self._counters = limits, counters
        self._begun = bytearray()  # of a head or of a small frame
        self._lengths: tuple[int, ...] = ()
        self._frames: list[Frame] = []
        self._large: memoryview | None = None
        self._have = 0
        self._skip = 0

    def room(self) -> memoryview | None:
        """Return where the next bytes belong; None: hand them to `feed`."""
        return None if self._large is None else self._large[self._have :]

    def filled(self, size: int) -> list[list[Frame]]:
        """So many bytes are in `room` now; return the message that is complete."""
        messages: list[list[Frame]] = []
        self._fill(size, messages)
        return messages

    def feed(self, data: memoryview) -> list[list[Frame]]:
        """Take bytes in, and return the messages that are complete.

        Raises:
            RemoteProtocolError: If this is no stream of messages, or a frame is longer
                than any may be. Nothing behind it can be understood.
        """
        if self._begun:
            self._begun += data
            data, self._begun = memoryview(self._begun), bytearray()
        messages: list[list[Frame]] = []
        at = 0
        while at < len(data):
            size = self._take(data[at:], messages)
            if not size:
                self._begun += data[at:]
                break
            at += size
        return messages

    def _take(self, data: memoryview, messages: list[list[Frame]]) -> int:
        """Take a head or a frame from the front; return how long it was, 0: not whole."""
        if self._skip:
            size = min(self._skip, len(data))
            self._skip -= size
            return size
        if not self._lengths:
            return self._open(data, messages)
        if self._large is not None:
            room = self._large[self._have :]
            size = min(len(room), len(data))
            room[:size] = data[:size]
            self._fill(size, messages)
            return size
        length = self._lengths[len(self._frames)]
        if len(data) < length:
            return 0
        self._add(bytes(data[:length]), messages)
        return length

    def _open(self, data: memoryview, messages: list[list[Frame]]) -> int:
        """Read a head, if it is whole."""
        if len(data) < _COUNT.size:
            return 0
        (count,) = _COUNT.unpack_from(data)
        if not 0 < count <= MOST_FRAMES:
            msg = f"no message has {count} frames"
            raise RemoteProtocolError(msg)
        layout = _layout(count)
        if len(data) < layout.size:
            return 0
        lengths: tuple[int, ...] = layout.unpack_from(data)[1:]
        longest, size = max(lengths), sum(lengths)
        if longest > self._limits.frame_bytes:
            msg = f"a frame of {longest} bytes exceeds {self._limits.frame_bytes}"
            raise RemoteProtocolError(msg)
        if size > self._limits.message_bytes:
            self._counters.oversized += 1
            self._skip = size
        elif count > self._limits.message_frames:
            self._counters.malformed += 1
            self._skip = size
        elif longest < LARGE_FRAME_BYTES and layout.size + size <= len(data):
            messages.append(_cut(data[layout.size :], lengths))
            return layout.size + size
        else:
            self._lengths = lengths
            self._next(messages)
        return layout.size

    def _fill(self, size: int, messages: list[list[Frame]]) -> None:
        """So much more of the large frame is there."""
        self._have += size
        large = self._large
        if large is not None and self._have == len(large):
            self._large = None
            self._add(large if self._frames else bytes(large), messages)

    def _add(self, frame: Frame, messages: list[list[Frame]]) -> None:
        """A frame is whole."""
        self._frames.append(frame)
        self._next(messages)

    def _next(self, messages: list[list[Frame]]) -> None:
        """Prepare for the next frame; hand the message out if there is none."""
        frames, lengths = self._frames, self._lengths
        while len(frames) < len(lengths):
            length = lengths[len(frames)]
            if length >= LARGE_FRAME_BYTES:
                self._large, self._have = memoryview(bytearray(length)), 0
            if length:
                return
            frames.append(b"")
        messages.append(frames)
        self._frames, self._lengths = [], ()


def _cut(data: memoryview, lengths: tuple[int, ...]) -> list[Frame]:
    """Cut small frames off the front."""
    frames: list[Frame] = []
    at = 0
    for length in lengths:
        frames.append(bytes(data[at : at + length]))
        at += length
    return frames
