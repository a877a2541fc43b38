"""What has to be set on sockets before they are bound or connected."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import zmq

from gridmap.errors import LocalProtocolError
from gridmap.transport.authentication import DOMAIN
from gridmap.transport.limits import Limits, apply_limits

if TYPE_CHECKING:
    from gridmap.connection import ConnectionFile
    from gridmap.transport.keys import RunKeys


def prepare_router(
    router: zmq.Socket[bytes], keys: RunKeys | None, limits: Limits
) -> None:
    """Prepare a monitor's socket.

    Args:
        router: It.
        keys: The run's keys; None for runners of this user on this machine only.
        limits: Bounds on its peers.
    """
    apply_limits(router, limits)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.setsockopt(zmq.BACKLOG, 4096)
    if keys is None:
        # The 0700 directory keeps others out; this does so once more.
        router.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
        return
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
    apply_limits(dealer, limits)
    dealer.setsockopt(zmq.ROUTING_ID, identity)
    dealer.setsockopt(zmq.IMMEDIATE, 1)
    dealer.setsockopt(zmq.RECONNECT_IVL, 100)
    dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
    dealer.setsockopt(zmq.CONNECT_TIMEOUT, 5000)
    server_public, client_public, client_secret = file.keys
    if address.startswith("tcp://"):
        if not (server_public and client_public and client_secret):
            msg = f"{address} without keys: gridmap never speaks TCP in clear"
            raise LocalProtocolError(msg)
        dealer.setsockopt(zmq.IPV6, "[" in address)
    if server_public and client_public and client_secret:
        dealer.setsockopt(zmq.CURVE_SERVERKEY, server_public.encode())
        dealer.setsockopt(zmq.CURVE_PUBLICKEY, client_public.encode())
        dealer.setsockopt(zmq.CURVE_SECRETKEY, client_secret.encode())
