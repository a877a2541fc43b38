"""When the process that drives a run is out of memory: no bug, and no job's doing."""

from __future__ import annotations

import resource

from gridmap.errors import DriverMemoryError
from gridmap.resources import format_memory


def shortage(doing: str) -> DriverMemoryError:
    """Return what is raised for a `MemoryError` of this process.

    Args:
        doing: What it could not do.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    bounded = limit != resource.RLIM_INFINITY
    return DriverMemoryError(doing, format_memory(limit) if bounded else None)
