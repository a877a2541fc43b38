"""Which jobs of a run are kept for `gridmap replay` if they fail."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gridmap.control.kept import Around, Keeper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.monitor.surroundings import Surroundings
    from gridmap.settings import Settings


def make_keeper(
    settings: Settings, surroundings: Sequence[Surroundings], job_path: str
) -> Keeper | None:
    """Return who keeps jobs that fail; None if they are not to be kept.

    Args:
        settings: What they say counts.
        surroundings: The run's, by number; may grow.
        job_path: Directory from which the jobs' modules can be imported.
    """
    if not settings.keep_records or not settings.keep_failed:
        return None

    def around(number: int) -> Around:
        found = surroundings[number]
        return Around(
            number=number,
            environment=dict(found.environment),
            directory=found.directory,
            path=(job_path, *found.path),
            python=sys.version_info[:2],
        )

    return Keeper(settings.keep_failed, around)
