"""Sockets between the monitor and its runners, and the way of large data beside them.

A name's module is imported when it is first used: neither end needs the other's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gridmap.transport.addresses import Endpoint, PortRange, choose_endpoints
    from gridmap.transport.choosing import runner_socket
    from gridmap.transport.counters import Counters
    from gridmap.transport.frames import Frame
    from gridmap.transport.limits import Limits
    from gridmap.transport.sockets import (
        MonitorSocket,
        Ready,
        Received,
        RunnerSocket,
        Wakeup,
    )
    from gridmap.transport.unix.monitor import UnixMonitorSocket
    from gridmap.transport.zeromq.keys import RunKeys
    from gridmap.transport.zeromq.router import RouterSocket

_HOMES: Final = {
    "Counters": "counters",
    "Endpoint": "addresses",
    "Frame": "frames",
    "Limits": "limits",
    "MonitorSocket": "sockets",
    "PortRange": "addresses",
    "Ready": "sockets",
    "Received": "sockets",
    "RouterSocket": "zeromq.router",
    "RunKeys": "zeromq.keys",
    "RunnerSocket": "sockets",
    "UnixMonitorSocket": "unix.monitor",
    "Wakeup": "sockets",
    "choose_endpoints": "addresses",
    "runner_socket": "choosing",
}

__all__ = [
    "Counters",
    "Endpoint",
    "Frame",
    "Limits",
    "MonitorSocket",
    "PortRange",
    "Ready",
    "Received",
    "RouterSocket",
    "RunKeys",
    "RunnerSocket",
    "UnixMonitorSocket",
    "Wakeup",
    "choose_endpoints",
    "runner_socket",
]


def __getattr__(name: str) -> Any:
    """Import what *name* is in."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
