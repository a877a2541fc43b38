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
            name="oar",
            summary="OAR, a batch scheduler for clusters (oarsub).",
            factory="gridmap_oar.backend:OarBackend",
            availability="gridmap_oar.plugin:available",
            interface=1,
        )
    ]


def available() -> Availability:
    """Say whether this machine can use it; look at files only."""
    program = shutil.which("oarsub")
    lack = "oarsub is not on PATH: go to a machine from which OAR takes jobs"
    usable, reason = bool(program), program or lack
    return Availability(usable=usable, reason=reason, preference=10)
