"""Whether two processes can look into each other's memory, shown rather than assumed.

Each side has a small sealed memory of its own with a text in it. The driver's is random
and is told to nobody: a runner that can say it has read it. The runner's holds its
nonce, and the driver reads that before it believes. Containers, other hosts, other
users and a hidden ``/proc`` all end in one thing: the text is not found, and large
frames travel within the messages.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.concealing import Concealing
from gridmap.errors import RemoteProtocolError
from gridmap.payload import memory

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame

_LONGEST: Final = 256
_SECRET_BYTES: Final = 16


class Evidence(Concealing, msgspec.Struct, frozen=True):
    """A text in memory of this process.

    Attributes:
        text: The text; empty if the system has no such memory.
        reference: By which others open it; empty likewise.
    """

    concealed = frozenset({"text", "_sealed"})

    text: bytes
    reference: bytes
    _sealed: memory.Sealed | None

    @classmethod
    def of(cls, text: bytes) -> Evidence:
        """Put a text into memory."""
        try:
            sealed = memory.make(text)
            return cls(text, sealed.reference, sealed)
        except OSError:
            return cls(b"", b"", None)

    @classmethod
    def secret(cls) -> Evidence:
        """Put a random text into memory."""
        return cls.of(os.urandom(_SECRET_BYTES))


def look(pid: int, reference: Frame) -> bytes:
    """Return the text that another process shows; empty if it cannot be read."""
    if not reference:
        return b""
    try:
        return memory.read(pid, reference, _LONGEST)
    except (OSError, RemoteProtocolError):
        return b""
