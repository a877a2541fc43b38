"""What the entry point loads: the description of the backend, and its checks.

Imported by every process that looks for plugins, so nothing heavy is imported here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from gridmap.backend import Availability, BackendInfo, Check
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Offer the one backend of this distribution."""
    return [
        BackendInfo(
            name="local",
            summary="Processes on this machine.",
            factory="gridmap_local.backend:LocalBackend",
            availability="gridmap_local.plugin:available",
            interface=1,
        )
    ]


def available() -> Availability:
    """Say yes on every POSIX machine, with the lowest preference there is."""
    if os.name != "posix":
        return Availability(
            usable=False,
            reason=f"it needs POSIX processes and sessions, and this is {sys.platform}",
        )
    return Availability(usable=True, reason="runners are processes on this machine")


@hookimpl
def gridmap_doctor(backend: str) -> Sequence[Check]:
    """Look at what the local backend stands on: processors and the process table."""
    if backend != "local":
        return []
    from gridmap_local import cores, processes  # noqa: PLC0415 - keeps discovery light

    count = cores.usable_cores()
    table = processes.table()
    return [
        Check(name="usable cores", passed=count > 0, found=str(count)),
        Check(
            name="process table",
            passed=os.getpid() in table,
            found=f"{len(table)} processes",
            advice="" if os.getpid() in table else "mount /proc",
        ),
    ]
