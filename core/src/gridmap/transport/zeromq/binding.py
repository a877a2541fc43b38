"""Where the monitor listens: binding its socket to addresses and ports."""

from __future__ import annotations

import errno
import logging
import random
from typing import TYPE_CHECKING

import zmq

from gridmap.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.transport.addresses import Endpoint, PortRange

_log = logging.getLogger(__name__)


def bind_tcp(
    sock: zmq.Socket[bytes],
    endpoints: Sequence[Endpoint],
    port_range: PortRange | None,
) -> tuple[str, ...]:
    """Bind to each endpoint that can be bound.

    Returns:
        What to offer, in the order of *endpoints*.

    Raises:
        RunError: If none can be bound; says why.
    """
    offered: list[str] = []
    failures: list[str] = []
    for endpoint in endpoints:
        sock.setsockopt(zmq.IPV6, ":" in endpoint.bind)
        try:
            port = _bind_port(sock, endpoint.bind, port_range)
        except zmq.ZMQError as error:
            failures.append(f"{endpoint.bind}: {error.strerror}")
            continue
        offered.append(f"tcp://{_bracketed(endpoint.offer)}:{port}")
    if not offered:
        ports = (
            f" on any port from {port_range.first} to {port_range.last}"
            if port_range
            else ""
        )
        msg = (
            f"cannot listen for runners{ports}: {'; '.join(failures) or 'no address'}. "
            "Choose another interface, host or port range in the settings"
        )
        raise RunError(msg)
    for failure in failures:
        _log.warning("not listening at %s", failure)
    return tuple(dict.fromkeys(offered))


def _bind_port(sock: zmq.Socket[bytes], host: str, port_range: PortRange | None) -> int:
    """Bind to a free port and return it; start anywhere, since runs are many."""
    if port_range is None:
        sock.bind(f"tcp://{_bracketed(host)}:*")
        endpoint = sock.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(endpoint.rpartition(":")[2])
    ports = list(port_range.ports())
    start = random.randrange(len(ports))  # noqa: S311 - spreads, hides nothing
    refusal: zmq.ZMQError | None = None
    for port in ports[start:] + ports[:start]:
        try:
            sock.bind(f"tcp://{_bracketed(host)}:{port}")
        except zmq.ZMQError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            refusal = error
        else:
            return port
    raise refusal or zmq.ZMQError(errno.EADDRINUSE)


def _bracketed(host: str) -> str:
    """Write an IPv6 address as endpoints want it."""
    return f"[{host}]" if ":" in host else host
