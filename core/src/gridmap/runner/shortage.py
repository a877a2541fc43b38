"""When a worker is refused memory: which limit it has. See `gridmap.monitor.shortage`."""

from __future__ import annotations

import resource
import socket
from pathlib import Path
from typing import Final

from gridmap.resources import format_memory

_LIMITS: Final = (
    (resource.RLIMIT_AS, "address space (RLIMIT_AS", "ulimit -v", 0),
    (resource.RLIMIT_DATA, "private memory (RLIMIT_DATA", "ulimit -d", 5),
)
"""Each with what sets it in a shell, and where statm has what is used of it, proc(5)."""


def explain(error: BaseException) -> str:
    """Return which limit of this process is the nearest, if it was refused memory.

    Args:
        error: What the function raised; for all but a `MemoryError` there is nothing to
            say, nor is there where nothing limits the process.
    """
    if not isinstance(error, MemoryError):
        return ""
    used = _used()
    found = [
        (limit - used[place], limit, used[place], what, how)
        for kind, what, how, place in _LIMITS
        if (limit := resource.getrlimit(kind)[0]) != resource.RLIM_INFINITY
    ]
    if not found:
        return ""
    _, limit, held, what, how = min(found)
    has = f", and it has {format_memory(held)}" if held else ""
    return (
        f"node {socket.gethostname()} allows this process {format_memory(limit)} of "
        f"{what}, {how}){has}: ask for more with memory_limit= (h_vmem=), unless the "
        "limit came along from where the run was started"
    )


def _used() -> list[int]:
    """Return bytes of each of what the kernel counts in pages; zeros if it does not."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()
    except OSError:
        return [0] * 7
    return [int(number) * resource.getpagesize() for number in pages]
