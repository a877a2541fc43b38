"""Who may speak to the monitor: the ZAP handler (RFC 27).

libzmq asks here about every TCP connection after the CURVE handshake has proven
that the peer holds the secret to the public key it shows, and before a single
message of it is let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85

from gridmap.transport.zeromq.watch import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDPOINT: Final = "inproc://zeromq.zap.01"
DOMAIN: Final = b"gridmap"
_REQUEST_FRAMES: Final = 7  # version, id, domain, address, identity, mechanism, key


class Doorkeeper:
    """Admits exactly one client key and denies everything else.

    Bound in the private context of one monitor, before its socket is: without a
    handler libzmq would admit any client that knows the server's public key.
    Served from the monitor's own loop, so there is no second thread.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], client_public_key: str
    ) -> None:
        self._admitted = z85.decode(client_public_key)
        self.admitted = self.denied = 0
        self.socket: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ENDPOINT)

    def serve(self) -> None:
        """Answer all questions that wait. Does not block."""
        while readable(self.socket):
            asker, _empty, *request = self.socket.recv_multipart(zmq.NOBLOCK)
            admitted = self._admits(request)
            self.admitted += admitted
            self.denied += not admitted
            verdict = (
                (b"200", b"OK", b"runner") if admitted else (b"400", b"denied", b"")
            )
            number = request[1] if len(request) > 1 else b""
            self.socket.send_multipart([asker, b"", b"1.0", number, *verdict, b""])

    def _admits(self, request: Sequence[bytes]) -> bool:
        """Decide on one request, its key in constant time."""
        if len(request) != _REQUEST_FRAMES:
            return False
        from hmac import compare_digest  # noqa: PLC0415 - runs on one host do without

        version, _number, domain, _address, _identity, mechanism, key = request
        return (
            version == b"1.0"
            and domain == DOMAIN
            and mechanism == b"CURVE"
            and compare_digest(key, self._admitted)
        )

    def close(self) -> None:
        """Stop answering; peers still at the door are refused."""
        self.socket.close(0)
