"""The door of the plugin: what it offers, told without importing any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.backend import BackendInfo
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.backend import Check

NAME = "slurm"


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Describe the one backend there is."""
    return (
        BackendInfo(
            name=NAME,
            summary="Slurm: one array submission, over sbatch, squeue and scancel.",
            factory="gridmap_slurm.backend:SlurmBackend",
            availability="gridmap_slurm.discovery:available",
            interface=1,
        ),
    )


@hookimpl
def gridmap_doctor(backend: str) -> Sequence[Check]:
    """Look at this machine's Slurm; nothing to say about other backends."""
    if backend != NAME:
        return ()
    from gridmap_slurm import doctor  # noqa: PLC0415 - needed here only

    return doctor.checks()
