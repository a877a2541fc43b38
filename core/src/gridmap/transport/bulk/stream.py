"""A frame's pieces on a connection, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.transport.bulk.sealing import PIECE_BYTES, TAG_BYTES, Seal, lengths

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from gridmap.payload import Frame

PATIENCE_S: Final = 60.0
"""How long a connection may go without a byte."""


def send(
    sock: socket.socket,
    key: bytes,
    ticket: bytes,
    frame: Frame,
    went: Callable[[], None] = lambda: None,
) -> None:
    """Seal a frame and send it.

    Args:
        sock: A connection that was agreed on.
        key: The frame's.
        ticket: Its ticket.
        frame: Not to be changed meanwhile.
        went: Called whenever something was taken from us.

    Raises:
        OSError: If the other end is gone, or does not take it.
    """
    view = memoryview(frame).cast("B")
    seal, at = Seal(key, ticket, len(view)), 0
    room = memoryview(bytearray(min(len(view), PIECE_BYTES) + TAG_BYTES))
    for length in lengths(len(view)):
        sealed = seal.close(view[at : at + length], room)
        while sealed:  # sendall has a time for all of it, however much of it goes
            sealed = sealed[sock.send(sealed) :]
            went()
        at += length


def opened(
    sock: socket.socket,
    key: bytes,
    ticket: bytes,
    size: int,
    frame: memoryview | None = None,
) -> Iterator[memoryview]:
    """Receive a frame and yield its pieces, opened.

    Args:
        sock: A connection that was agreed on.
        key: The frame's.
        ticket: Its ticket.
        size: Its plain bytes.
        frame: Where to put them, one behind the other; None: a piece is gone when the
            next is wanted.

    Raises:
        OSError: If the other end is gone, or sends nothing.
        RemoteProtocolError: If a piece is not what was sealed.
    """
    longest = min(size, PIECE_BYTES)
    room = memoryview(bytearray(longest + TAG_BYTES))
    plain = memoryview(bytearray(longest)) if frame is None else frame
    seal, at = Seal(key, ticket, size), 0
    for length in lengths(size):
        sealed = room[: length + TAG_BYTES]
        receive(sock, sealed)
        yield seal.open(sealed, plain[at:])
        if frame is not None:
            at += length


def receive(sock: socket.socket, room: bytearray | memoryview) -> None:
    """Fill *room*.

    Raises:
        ConnectionResetError: If the other end hangs up before.
        OSError: If nothing comes.
    """
    view = memoryview(room)
    while view:
        count = sock.recv_into(view)
        if count == 0:
            msg = "the other end hung up in the middle of a large frame"
            raise ConnectionResetError(msg)
        view = view[count:]
