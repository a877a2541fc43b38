"""A backend whose runners come over TCP and cannot see the driver's processes.

They run on this machine, each in a process namespace of its own with a ``/proc`` of its
own, so that nothing can be passed on as memory, as between hosts. Needs root.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec

from gridmap.backend import Availability, BackendInfo, Capabilities, Reach
from gridmap.hookspecs import hookimpl
from gridmap_local.backend import LocalBackend

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gridmap.backend import Batch, RunContext, Submission

NAME = "hosts"
_APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def install(directory: Path) -> None:
    """Make this backend known, as an installed distribution would."""
    info = directory / "gridmap_hosts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gridmap-hosts\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[gridmap]\nhosts = {__name__}\n")
    sys.path.append(str(directory))
    here = os.path.dirname(__file__)  # noqa: PTH120 - for PYTHONPATH
    os.environ["PYTHONPATH"] = f"{here}:{os.environ.get('PYTHONPATH', '')}"


def available() -> Availability:
    """Say that it can be used, and is never taken unasked."""
    return Availability(usable=True, reason="it is a simulation", preference=0)


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Introduce the backend."""
    return [
        BackendInfo(
            name=NAME,
            summary="runners that see nothing of this machine but its network",
            factory=f"{__name__}:HostsBackend",
            availability=f"{__name__}:available",
            interface=1,
        )
    ]


class HostsBackend(LocalBackend):
    """The local backend, but for what its runners see and how they come."""

    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        """Say that runners are on other machines."""
        return Capabilities(reach=Reach.NETWORK, accounting=True)

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Start runners that see no other process."""
        apart = msgspec.structs.replace(batch, command=(*_APART, *batch.command))
        return super().gridmap_submit(apart, context)
