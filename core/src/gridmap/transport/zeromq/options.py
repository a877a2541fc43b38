"""What has to be set on sockets before they are bound or connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from gridmap.errors import LocalProtocolError
from gridmap.transport.zeromq.authentication import DOMAIN

if TYPE_CHECKING:
    from gridmap.connection import ConnectionFile
    from gridmap.transport.limits import Limits
    from gridmap.transport.zeromq.keys import RunKeys

# CURVE wraps a frame of n bytes into a command of n + 33 (RFC 26, MESSAGE command);
# MAXMSGSIZE is compared with the latter.
_CURVE_OVERHEAD_BYTES: Final = 64


def prepare_router(router: zmq.Socket[bytes], keys: RunKeys, limits: Limits) -> None:
    """Prepare a monitor's socket.

    Args:
        router: It.
        keys: The run's keys.
        limits: Bounds on its peers.
    """
    _apply_limits(router, limits)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.setsockopt(zmq.BACKLOG, 4096)
    router.setsockopt(zmq.CURVE_SERVER, 1)
    router.setsockopt(zmq.CURVE_PUBLICKEY, keys.server_public_key.encode())
    router.setsockopt(zmq.CURVE_SECRETKEY, keys.server_secret_key.encode())
    router.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def prepare_dealer(
    dealer: zmq.Socket[bytes],
    file: ConnectionFile,
    address: str,
    identity: bytes,
    limits: Limits,
) -> None:
    """Prepare a runner's socket.

    Args:
        dealer: It.
        file: What the connection file says.
        address: That of its addresses which it will connect to.
        identity: The runner's routing id.
        limits: Bounds on the monitor.

    Raises:
        LocalProtocolError: If it would speak TCP without keys.
    """
    _apply_limits(dealer, limits)
    dealer.setsockopt(zmq.ROUTING_ID, identity)
    dealer.setsockopt(zmq.IMMEDIATE, 1)
    dealer.setsockopt(zmq.RECONNECT_IVL, 100)
    dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
    dealer.setsockopt(zmq.CONNECT_TIMEOUT, 5000)
    server_public, client_public, client_secret = file.keys
    if not (server_public and client_public and client_secret):
        msg = f"{address} without keys: gridmap never speaks TCP in clear"
        raise LocalProtocolError(msg)
    dealer.setsockopt(zmq.IPV6, "[" in address)
    dealer.setsockopt(zmq.CURVE_SERVERKEY, server_public.encode())
    dealer.setsockopt(zmq.CURVE_PUBLICKEY, client_public.encode())
    dealer.setsockopt(zmq.CURVE_SECRETKEY, client_secret.encode())


def _apply_limits(sock: zmq.Socket[bytes], limits: Limits) -> None:
    """Set the options that hold for every socket of a run, before it is bound.

    Keepalive finds a peer whose machine vanished while nothing was under way;
    TCP_MAXRT finds one to whom data was under way, where the kernel alone would
    retry for a quarter of an hour and then wait two minutes between attempts.
    """
    sock.setsockopt(zmq.MAXMSGSIZE, limits.frame_bytes + _CURVE_OVERHEAD_BYTES)
    sock.setsockopt(zmq.SNDHWM, limits.queued_messages)
    sock.setsockopt(zmq.RCVHWM, limits.queued_messages)
    sock.setsockopt(zmq.HANDSHAKE_IVL, int(limits.handshake_s * 1000))
    sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
    sock.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 60)
    sock.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 15)
    sock.setsockopt(zmq.TCP_KEEPALIVE_CNT, 4)
    sock.setsockopt(zmq.TCP_MAXRT, 60_000)
    sock.setsockopt(zmq.LINGER, 0)
