"""Ending runners. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap_slurm import ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.backend import Handle

PROGRAM: Final = "scancel"


def command(
    handles: Iterable[Handle], clusters: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the command that ends these runners, waiting or running.

    A running one gets SIGTERM, and SIGKILL after the site's ``KillWait``. Ids that are
    unknown or over are passed by in silence, with status 0; a controller that cannot be
    reached gives another status (seen in 22.05.8: 8, or 140 when it hung).
    """
    return (PROGRAM, *clusters, *ids.write_all(handles))
