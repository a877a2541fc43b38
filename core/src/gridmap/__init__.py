"""Map Python functions onto the batch scheduler a site has.

Importing this costs little: what a name needs is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from gridmap.version import VERSION as VERSION
from gridmap.version import __version__ as __version__

if TYPE_CHECKING:
    from gridmap.api import grid_map, process_jobs
    from gridmap.errors import (
        DRMAANotPresentException,
        GridMapError,
        JobException,
    )
    from gridmap.executor import GridExecutor
    from gridmap.job import Job
    from gridmap.monitor.monitor import JobMonitor
    from gridmap.resources import Resources
    from gridmap.retry import Escalate, Retry
    from gridmap.runner.bulletin import progress

_HOMES: Final = {
    "DRMAANotPresentException": "gridmap.errors",
    "Escalate": "gridmap.retry",
    "GridExecutor": "gridmap.executor",
    "GridMapError": "gridmap.errors",
    "Job": "gridmap.job",
    "JobException": "gridmap.errors",
    "JobMonitor": "gridmap.monitor.monitor",
    "Resources": "gridmap.resources",
    "Retry": "gridmap.retry",
    "grid_map": "gridmap.api",
    "process_jobs": "gridmap.api",
    "progress": "gridmap.runner.bulletin",
}

# GridMap's constants: read from the settings each time they are asked for.
_SETTINGS: Final = (
    "CHECK_FREQUENCY",
    "CREATE_PLOTS",
    "DEFAULT_QUEUE",
    "DEFAULT_TEMP_DIR",
    "ERROR_MAIL_RECIPIENT",
    "ERROR_MAIL_SENDER",
    "HEARTBEAT_FREQUENCY",
    "IDLE_THRESHOLD",
    "MAX_IDLE_HEARTBEATS",
    "MAX_TIME_BETWEEN_HEARTBEATS",
    "NUM_RESUBMITS",
    "SEND_ERROR_MAIL",
    "SMTP_SERVER",
    "USE_MEM_FREE",
)

__all__ = [  # noqa: PLE0604 - the constants are GridMap's
    "DRMAANotPresentException",
    "Escalate",
    "GridExecutor",
    "GridMapError",
    "Job",
    "JobException",
    "JobMonitor",
    "Resources",
    "Retry",
    "grid_map",
    "process_jobs",
    "progress",
    *_SETTINGS,
]


def __getattr__(name: str) -> Any:
    """Import what *name* needs, or read the setting it stands for."""
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _SETTINGS:
        return getattr(importlib.import_module("gridmap.conf"), name)
    msg = f"module 'gridmap' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*__all__, "VERSION", "__version__"])
