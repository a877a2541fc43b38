"""Messages between the user's process and the process that holds DRMAA.

A message is a JSON object in UTF-8, behind its length as four bytes, most significant
first. Both ends are ours and of one version; a length beyond `LARGEST` still means
that something else wrote into the pipe, and is an error.
"""

from __future__ import annotations

import json
import struct
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST: Final = 256 * 2**20
"""Bytes of a message at most; the ids of a million tasks are 20 MB."""

_LENGTH: Final = struct.Struct(">I")

Message: TypeAlias = "dict[str, Any]"


class Readable(Protocol):
    """Where messages are read from."""

    def read(self, size: int, /) -> bytes:
        """Return exactly *size* bytes, fewer only at the end."""


class FrameError(Exception):
    """What came through the pipe is not a message."""


def write(stream: IO[bytes], message: Mapping[str, object]) -> None:
    """Write one message and flush; blocks while the pipe is full.

    Raises:
        OSError: If the other end has gone.
    """
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogateescape")
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:  # an unbuffered pipe may take less than it is given
        rest = rest[stream.write(rest) :]
    stream.flush()


def read(stream: Readable) -> Message | None:
    """Read one message; blocks until it is whole.

    Returns:
        The message, None if the other end has closed the pipe between two.

    Raises:
        FrameError: If it is cut short, too long, or not a JSON object.
    """
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        msg = f"the pipe was closed within a length: {head!r}"
        raise FrameError(msg)
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST:
        msg = f"a message of {length} bytes is announced: {head!r}"
        raise FrameError(msg)
    body = stream.read(length)
    if len(body) < length:
        msg = f"the pipe was closed after {len(body)} bytes of {length}"
        raise FrameError(msg)
    try:
        message = json.loads(body.decode("utf-8", "surrogateescape"))
    except ValueError as error:
        msg = f"not JSON: {error}: {body[:80]!r}"
        raise FrameError(msg) from error
    if not isinstance(message, dict):
        msg = f"not an object: {body[:80]!r}"
        raise FrameError(msg)
    return message
