"""What this distribution tells gridmap; imported wherever gridmap runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gridmap.backend import Availability, BackendInfo
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence


@hookimpl
def gridmap_backends() -> Sequence[BackendInfo]:
    """Offer the backend."""
    return [
        BackendInfo(
            name="toyq",
            summary="The toy scheduler of gridmap's documentation.",
            factory="gridmap_toyq.backend:ToyBackend",
            availability="gridmap_toyq.plugin:available",
            interface=1,
        )
    ]


def available() -> Availability:
    """Say whether this machine can use it; look at files only."""
    program = shutil.which("toyq")
    if program is None:
        return Availability(usable=False, reason="toyq is not on PATH: install it")
    return Availability(usable=True, reason=f"found {program}", preference=0)
