"""A runner's end: it connects, proves who it is, and takes or brings one frame.

Each function is one connection. All of them block, for `PATIENCE_S` at most without a
byte, and raise OSError or RemoteProtocolError where a frame does not get through.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final

from gridmap.connection import split_tcp_address
from gridmap.errors import RemoteProtocolError
from gridmap.payload.gathering import Gathering
from gridmap.transport.bulk import stream
from gridmap.transport.bulk.requests import (
    ANSWER_BYTES,
    CHALLENGE_BYTES,
    Request,
    Want,
    same,
)
from gridmap.transport.bulk.sealing import fresh_ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.payload import Frame

PROOF_S: Final = 1.0
"""How long the driver's port may take to answer; a firewall may just drop."""

_CONNECT_S: Final = 10.0


def prove(address: str, secret: bytes) -> bool:
    """Say whether the driver answers at this address; takes `PROOF_S` at most."""
    request = Request(Want.PROOF, fresh_ticket(), 0)
    try:
        with _connected(address, request, secret, PROOF_S):
            return True
    except (OSError, RemoteProtocolError):
        return False


def download(address: str, secret: bytes, ticket: bytes, key: bytes, size: int) -> int:
    """Fetch a frame into sealed memory.

    Args:
        address: Where the driver listens for this, ``tcp://host:port``.
        secret: What requests of the run are proven with.
        ticket: The frame's.
        key: Its key.
        size: Its plain bytes; the caller has seen to it that they may be so many.

    Returns:
        A descriptor of that memory, which is the caller's to close.

    Raises:
        OSError: If it does not get through.
        RemoteProtocolError: If what comes is not what was sealed.
    """
    request = Request(Want.DOWNLOAD, ticket, size)
    with (
        _connected(address, request, secret, _CONNECT_S) as sock,
        contextlib.closing(Gathering(size)) as gathering,
    ):
        for piece in stream.opened(sock, key, ticket, size):
            gathering.add(piece)
        return gathering.seal()


def decline(address: str, secret: bytes, ticket: bytes) -> None:
    """Say that a frame is not to be fetched, so that it need not be kept.

    Raises:
        OSError: If that does not get through.
        RemoteProtocolError: If the driver is none.
    """
    _connected(address, Request(Want.DECLINE, ticket, 0), secret, PROOF_S).close()


def upload(
    address: str,
    secret: bytes,
    ticket: bytes,
    key: bytes,
    frame: Frame,
    went: Callable[[], None],
) -> None:
    """Bring a frame; returns when all of it is there.

    Args:
        address: Where the driver listens for this.
        secret: What requests of the run are proven with.
        ticket: The frame's, never used before.
        key: Its key.
        frame: Not to be changed meanwhile.
        went: Called whenever a part of it has gone.

    Raises:
        OSError: If it does not get through, or there is no room for it.
        RemoteProtocolError: If the driver is none.
    """
    request = Request(Want.UPLOAD, ticket, len(frame))
    with _connected(address, request, secret, _CONNECT_S) as sock:
        stream.send(sock, key, ticket, frame, went)
        stream.receive(sock, bytearray(1))


def _connected(
    address: str, request: Request, secret: bytes, patience_s: float
) -> socket.socket:
    sock = socket.create_connection(split_tcp_address(address), patience_s)
    try:
        sock.settimeout(patience_s)
        challenge = bytearray(CHALLENGE_BYTES)
        stream.receive(sock, challenge)
        sock.sendall(request.encode(secret, bytes(challenge)))
        answer = bytearray(ANSWER_BYTES)
        stream.receive(sock, answer)
        _check(address, answer, request.answer(secret))
        sock.settimeout(stream.PATIENCE_S)
    except BaseException:
        sock.close()
        raise
    return sock


def _check(address: str, answer: bytearray, expected: bytes) -> None:
    if not same(answer, expected):
        msg = f"what listens at {address} is not this run's driver"
        raise RemoteProtocolError(msg)
