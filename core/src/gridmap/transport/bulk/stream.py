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
        went: Called for each piece that was taken from us.

    Raises:
        OSError: If the other end is gone, or does not take it.
    """
    view = memoryview(frame).cast("B")
    seal, at = Seal(key, ticket, len(view)), 0
    for length in lengths(len(view)):
        sock.sendall(seal.close(view[at : at + length]))
        went()
        at += length


def opened(
    sock: socket.socket, key: bytes, ticket: bytes, size: int
) -> Iterator[bytes]:
    """Receive a frame and yield its pieces, opened.

    Raises:
        OSError: If the other end is gone, or sends nothing.
        RemoteProtocolError: If a piece is not what was sealed.
    """
    seal = Seal(key, ticket, size)
    room = memoryview(bytearray(min(size, PIECE_BYTES) + TAG_BYTES))
    for length in lengths(size):
        piece = room[: length + TAG_BYTES]
        receive(sock, piece)
        yield seal.open(piece)


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
