"""Telling the user why runners do not start: once for each reason."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gridmap.events import RunnerPending

if TYPE_CHECKING:
    from gridmap.events import RunnersRejected

_log = logging.getLogger(__name__)


class Standstill:
    """What the user was told already."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def warn(self, event: RunnerPending | RunnersRejected) -> None:
        """Log a warning, unless it is known or others tell it.

        Args:
            event: What keeps runners from starting.
        """
        if event.reason in self._told:
            return
        if isinstance(event, RunnerPending):
            if not event.up:
                self._told.add(event.reason)
                _log.warning("runner %s does not start: %s", event.handle, event.why)
        elif event.again_s is not None:  # else the jobs' verdicts say it
            self._told.add(event.reason)
            _log.warning("%s", event.why)
