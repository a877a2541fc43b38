"""The seal of one large frame: AES-256-GCM in pieces, with a key used once.

A frame is cut into pieces of `PIECE_BYTES`, the last one shorter. Each is sealed for
itself, so that sealing, sending, receiving and opening go on at the same time, in
bounded memory. What every piece is bound to (its frame's ticket and size, and its own
number, which is the nonce too) keeps pieces from being swapped, left out, repeated or
taken from another frame. A nonce is used once with a key, as GCM demands (NIST SP
800-38D, 8.2), since a key is used for one frame.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from gridmap.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES: Final = 960 * 1024
"""Plain bytes of a piece: a processor's own cache holds it. Of pieces of an eighth of
this, more would take a sixth longer: each is a few calls of the system and of ciphers."""

TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
TICKET_BYTES: Final = 16

_NONCE: Final = struct.Struct("<4xQ")
_BOUND: Final = struct.Struct("<16sQQ")


def fresh_ticket() -> bytes:
    """Return what nobody can guess and nobody else has: the name of one frame."""
    return os.urandom(TICKET_BYTES)


def fresh_key() -> bytes:
    """Return a key for one frame."""
    return os.urandom(KEY_BYTES)


def lengths(size: int) -> Iterator[int]:
    """Yield how many plain bytes each piece of a frame has; none for an empty one."""
    for start in range(0, size, PIECE_BYTES):
        yield min(PIECE_BYTES, size - start)


class Seal:
    """What seals and opens the pieces of one frame, in order; one thread at a time."""

    def __init__(self, key: bytes, ticket: bytes, size: int) -> None:
        """Begin with the first piece.

        Args:
            key: 32 bytes, for this frame alone.
            ticket: The frame's, 16 bytes.
            size: Plain bytes of the whole frame.
        """
        # 30 ms that only runs with large frames pay.
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - see above
            AESGCM,
        )

        self._cipher = AESGCM(key)
        # cryptography 47 and later; with earlier ones each piece is copied once more
        self._seal = getattr(self._cipher, "encrypt_into", None)
        self._open = getattr(self._cipher, "decrypt_into", None)
        self._ticket, self._size = ticket, size
        self._number = 0

    def close(self, piece: memoryview, room: memoryview) -> memoryview:
        """Seal the next piece.

        Args:
            piece: Its plain bytes.
            room: Where to put it, of `TAG_BYTES` more at least.

        Returns:
            The part of *room* that holds it.
        """
        nonce, bound = self._next()
        sealed = room[: len(piece) + TAG_BYTES]
        if self._seal is None:
            sealed[:] = self._cipher.encrypt(nonce, piece, bound)
        else:
            self._seal(nonce, piece, bound, sealed)
        return sealed

    def open(self, sealed: memoryview, room: memoryview) -> memoryview:
        """Open the next piece.

        Args:
            sealed: As it came.
            room: Where to put its plain bytes, and of no use if this raises.

        Returns:
            The part of *room* that holds them.

        Raises:
            RemoteProtocolError: If it is not the piece that was sealed at this place.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

        nonce, bound = self._next()
        piece = room[: len(sealed) - TAG_BYTES]
        try:
            if self._open is None:
                piece[:] = self._cipher.decrypt(nonce, sealed, bound)
            else:
                self._open(nonce, sealed, bound, piece)
        except InvalidTag as error:
            msg = "a piece of a large frame is not what was sealed"
            raise RemoteProtocolError(msg) from error
        return piece

    def _next(self) -> tuple[bytes, bytes]:
        number, self._number = self._number, self._number + 1
        return _NONCE.pack(number), _BOUND.pack(self._ticket, self._size, number)
