"""Sockets between the monitor and its runners; the only package that imports zmq."""

from __future__ import annotations

from gridmap.transport.addresses import Endpoint, PortRange, choose_endpoints
from gridmap.transport.dealer import Ready, RunnerSocket
from gridmap.transport.keys import RunKeys
from gridmap.transport.limits import Limits
from gridmap.transport.router import (
    Counters,
    Frame,
    MonitorSocket,
    Received,
    Wakeup,
)

__all__ = [
    "Counters",
    "Endpoint",
    "Frame",
    "Limits",
    "MonitorSocket",
    "PortRange",
    "Ready",
    "Received",
    "RunKeys",
    "RunnerSocket",
    "Wakeup",
    "choose_endpoints",
]
