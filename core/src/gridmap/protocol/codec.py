"""Messages to bytes and back; whatever is not exactly a message is refused."""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec

from gridmap.errors import RemoteProtocolError
from gridmap.packing import pack
from gridmap.protocol.messages import FromMonitor, FromRunner

LARGEST_CONTROL: Final = 1_048_576
"""Bytes a control message may have. A Welcome with a large environment is the
largest there is; payloads are frames of their own and not limited here."""

_QUOTED: Final = 300


def prepare(kind: Any) -> None:
    """Make ready to hear what either end says: the first message need not wait then.

    Args:
        kind: `FromRunner` or `FromMonitor`; whoever hears one does not hear the other.
    """
    _decoder(kind)


@functools.cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(message: FromRunner | FromMonitor) -> bytes:
    """Return a message as bytes."""
    return pack(message)


def decode_from_runner(data: bytes | memoryview) -> FromRunner:
    """Return the message a runner sent.

    Raises:
        RemoteProtocolError: If the bytes are not such a message, in type, range or
            size.
    """
    _check_size(data)
    try:
        message: FromRunner = _decoder(FromRunner).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"a runner sent what is not a message: {_described(error)}"
        raise RemoteProtocolError(msg) from error
    return message


def decode_from_monitor(data: bytes | memoryview) -> FromMonitor:
    """Return the message the monitor sent.

    Raises:
        RemoteProtocolError: As `decode_from_runner`.
    """
    _check_size(data)
    try:
        from_monitor: FromMonitor = _decoder(FromMonitor).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"the monitor sent what is not a message: {_described(error)}"
        raise RemoteProtocolError(msg) from error
    return from_monitor


def _check_size(data: bytes | memoryview) -> None:
    if len(data) > LARGEST_CONTROL:
        msg = f"a control message of {len(data)} bytes; {LARGEST_CONTROL} are allowed"
        raise RemoteProtocolError(msg)


def _described(error: Exception) -> str:
    """Return an error's text, which may quote the peer, short and on one line."""
    text = str(error)
    short = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in short)
