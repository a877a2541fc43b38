"""What this distribution tells gridmap before anything of it is used.

Imported wherever gridmap runs: nothing but core's own descriptions is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.backend import BackendInfo
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.backend import Check

NAME = "sge"


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Offer the backend."""
    return [
        BackendInfo(
            name=NAME,
            summary="Grid Engine (SGE, Son of Grid Engine, Univa, Altair), over DRMAA.",
            factory="gridmap_sge.backend:GridEngineBackend",
            availability="gridmap_sge.discovery:available",
            interface=1,
            aliases=("grid_engine", "gridengine"),
        )
    ]


@hookimpl
def gridmap_doctor(backend: str) -> Sequence[Check]:
    """Look at this machine's Grid Engine, if that is the backend asked about."""
    if backend != NAME:
        return []
    from gridmap_sge import doctor  # noqa: PLC0415 - only needed when asked for

    return doctor.examine()
