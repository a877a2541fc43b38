"""What happens to a socket's connections, told by libzmq itself.

A socket monitor reports from the I/O thread through an inproc PAIR. That PAIR has
no high-water mark here: at one, libzmq's I/O thread would wait for us to read, and
a thread of ours that meanwhile closes the socket would wait for it, for ever.
"""

from __future__ import annotations

import itertools
import struct
from typing import Final, NamedTuple

import zmq

# libzmq frees the name of a closed one late; none is used twice.
_NUMBERS: Final = itertools.count()
_EVENT: Final = struct.Struct("=Hi")  # zmq_socket_monitor(3): event, value

# Plain numbers: what libzmq is asked costs less than the arithmetic of enumerations.
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)


def readable(sock: zmq.Socket[bytes]) -> bool:
    """Say whether a message waits, after letting libzmq look for one."""
    return int(sock.getsockopt(_EVENTS)) & _POLLIN != 0


class ConnectionEvent(NamedTuple):
    """One thing that happened to a connection.

    Attributes:
        kind: What; compare with ``zmq.EVENT_…``.
        value: A file descriptor, an errno or a status code, by kind.
    """

    kind: int
    value: int


class Watch:
    """The socket monitor of one socket; used from the socket's own thread."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        sock: zmq.Socket[bytes],
        events: int,
    ) -> None:
        self._sock = sock
        address = f"inproc://watch-{next(_NUMBERS)}"
        sock.monitor(address, events)
        self.pair: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        self.pair.setsockopt(zmq.RCVHWM, 0)
        self.pair.setsockopt(zmq.LINGER, 0)
        self.pair.connect(address)

    def drain(self) -> list[ConnectionEvent]:
        """Return what happened since the last call, oldest first."""
        happened = []
        while readable(self.pair):
            head, _address = self.pair.recv_multipart(zmq.NOBLOCK)
            happened.append(ConnectionEvent(*_EVENT.unpack(head)))
        return happened

    def close(self) -> None:
        """Stop watching; the socket itself stays open."""
        self._sock.disable_monitor()
        self.pair.close(0)
