"""What this distribution tells gridmap; imported wherever gridmap runs."""

import shutil
from collections.abc import Sequence

from gridmap.backend import Availability, BackendInfo
from gridmap.hookspecs import hookimpl


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Offer the backend."""
    return [
        BackendInfo(
            name="spooler",
            summary="task-spooler, the queue of one machine (tsp).",
            factory="gridmap_spooler.backend:SpoolerBackend",
            availability="gridmap_spooler.plugin:available",
            interface=1,
        )
    ]


def available() -> Availability:
    """Say whether this machine can use it; look at files only."""
    program = shutil.which("tsp")
    lack = "tsp is not on PATH: apt install task-spooler"
    return Availability(usable=bool(program), reason=program or lack)
