"""What a runner says first on a connection for large frames, and what is answered.

The driver says 16 random bytes first. A request is 65 bytes: what is wanted, a ticket, a
size and a proof that it was made now, by somebody who knows the run's client key.
Whoever does not is turned away after these bytes. The keys of frames are never said.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.errors import RemoteProtocolError
from gridmap.transport.bulk.sealing import KEY_BYTES

if TYPE_CHECKING:
    from gridmap.payload import Frame

_HEAD: Final = struct.Struct("<8sB16sQ")
_MAGIC: Final = b"gridmap1"
_PROOF_BYTES: Final = 32
REQUEST_BYTES: Final = _HEAD.size + _PROOF_BYTES
ANSWER_BYTES: Final = 32
CHALLENGE_BYTES: Final = 16

REFERENCE: Final = struct.Struct("<16s32sQ")
"""How a message refers to a frame that travels apart: its ticket, its key and its size.
Of a frame that a runner brings, the key is zero: see `upload_key`. Of one that travels in
pieces, the ticket is its number, and the key is zero."""

_NUMBER: Final = struct.Struct("<8xQ")


class Want(enum.IntEnum):
    """What a connection is for."""

    PROOF = 1
    DOWNLOAD = 2
    UPLOAD = 3
    DECLINE = 4
    """Not to fetch a frame after all, which need not lie there any longer."""


class Request(msgspec.Struct, frozen=True):
    """What a runner wants.

    Attributes:
        want: What.
        ticket: Of the frame; for a proof, random.
        size: Of the frame, in plain bytes; 0 for a proof, or where it is not to come.
    """

    want: Want
    ticket: bytes
    size: int

    def encode(self, secret: bytes, challenge: bytes) -> bytes:
        """Return it as it travels, with the proof that *secret* is known.

        Args:
            secret: What proves it.
            challenge: What the driver said on this connection, so that nobody who
                heard it can say it again on another.
        """
        head = _HEAD.pack(_MAGIC, self.want, self.ticket, self.size)
        return head + keyed(secret, challenge + head)

    @classmethod
    def decode(cls, data: bytes, secret: bytes, challenge: bytes) -> Request:
        """Read one.

        Raises:
            RemoteProtocolError: If it is none, or was made without *secret*, or for
                another connection.
        """
        head, proof = data[: _HEAD.size], data[_HEAD.size :]
        if not same(proof, keyed(secret, challenge + head)):
            msg = "a connection for large frames without the run's secret"
            raise RemoteProtocolError(msg)
        _, want, ticket, size = _HEAD.unpack(head)
        try:
            return cls(Want(want), ticket, size)
        except ValueError as error:
            msg = f"a connection for large frames wants {want}, whatever that is"
            raise RemoteProtocolError(msg) from error

    def answer(self, secret: bytes) -> bytes:
        """Return what only one who knows *secret* can answer."""
        return keyed(secret, b"heard" + self.ticket)


def secret(client_key: str, token: str) -> bytes:
    """Return what requests of a run are proven with.

    It is made of what the connection file holds, so it tells nobody's bytes to whoever
    gets that file later: keys of frames are not made of it.

    Args:
        client_key: The run's secret client key.
        token: The run's token.
    """
    what = b"gridmap large frames " + token.encode()
    return keyed(client_key.encode(), what)


def node_secret(client_key: str, token: str) -> bytes:
    """Return what the runners of a node prove to each other with.

    Args:
        client_key: The run's secret client key.
        token: The run's token.
    """
    return keyed(client_key.encode(), b"gridmap one node " + token.encode())


def upload_key(key: bytes, ticket: bytes) -> bytes:
    """Return the key of a frame that a runner brings.

    Args:
        key: What the runner was given over CURVE when it was let in.
        ticket: The frame's, never used before.
    """
    return keyed(key, b"gridmap upload " + ticket)


def reference_to(ticket: bytes, size: int) -> bytes:
    """Return how a runner's message refers to a frame that it has brought."""
    return REFERENCE.pack(ticket, bytes(KEY_BYTES), size)


def numbered(number: int, size: int) -> bytes:
    """Return how a message refers to a frame that travels in pieces."""
    return REFERENCE.pack(_NUMBER.pack(number), bytes(KEY_BYTES), size)


def number_of(reference: Frame) -> int | None:
    """Return the number of a frame that travels in pieces; None if it does not."""
    if len(reference) != REFERENCE.size:
        return None
    ticket, key, _ = REFERENCE.unpack(reference)
    return None if any(ticket[:8]) or any(key) else int(_NUMBER.unpack(ticket)[0])


def same(proof: bytes | bytearray, expected: bytes) -> bool:
    """Whether a proof is the one expected, found out in constant time."""
    import hmac  # noqa: PLC0415 - brings OpenSSL along, and runs on one host do without

    return hmac.compare_digest(proof, expected)


def keyed(key: bytes, text: bytes) -> bytes:
    """Return the HMAC-SHA256 of a text."""
    import hmac  # noqa: PLC0415 - likewise

    return hmac.digest(key, text, "sha256")
