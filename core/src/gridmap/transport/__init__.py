"""Sockets between the monitor and its runners; the only package that imports zmq.

A name's module is imported when it is first used: neither end needs the other's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gridmap.transport.addresses import Endpoint, PortRange, choose_endpoints
    from gridmap.transport.counters import Counters
    from gridmap.transport.dealer import Ready, RunnerSocket
    from gridmap.transport.frames import Frame
    from gridmap.transport.keys import RunKeys
    from gridmap.transport.limits import Limits
    from gridmap.transport.router import (
        MonitorSocket,
        Received,
        Wakeup,
    )

_HOMES: Final = {
    "Counters": "counters",
    "Endpoint": "addresses",
    "Frame": "frames",
    "Limits": "limits",
    "MonitorSocket": "router",
    "PortRange": "addresses",
    "Ready": "dealer",
    "Received": "router",
    "RunKeys": "keys",
    "RunnerSocket": "dealer",
    "Wakeup": "router",
    "choose_endpoints": "addresses",
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
    "RunKeys",
    "RunnerSocket",
    "Wakeup",
    "choose_endpoints",
]


def __getattr__(name: str) -> Any:
    """Import what *name* is in."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
