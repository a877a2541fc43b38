"""Values as bytes, to be sent or written down, whatever text is in them. Pure.

File names need not be text, and Python has what is not in places that no encoding knows
(PEP 383). They come with working directories, names of runs, and exceptions that name a
file; one of them is no reason to send or write nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_encoder: Final = msgspec.msgpack.Encoder()
_BYTES: Final = (bytes, bytearray, memoryview)


def pack(value: object) -> bytes:
    """Return a value as msgpack; what is no text in it is escaped."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, builtin_types=_BYTES)
        return _encoder.encode(_escaped(plain))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(part) for part in value]
    return value
