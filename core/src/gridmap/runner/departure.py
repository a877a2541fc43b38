"""The end of a runner: why, since when, and how long it waits to be heard. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gridmap.runner.reports import Farewell, Reports

LAST_WORDS_S: Final = 1.5
"""How long a runner that was told to end waits for its last words to be heard, while
nothing of them moves. Schedulers follow their first signal by SIGKILL, some after two
seconds."""

MOVES_S: Final = 10.0
"""How long nothing of a large result may move that is on its way: the driver takes a
piece of each runner's in turn, and hundreds may be told to end at once."""


class Departure:
    """How a runner leaves: for one reason, with one goodbye.

    Attributes:
        said: Whether it said goodbye.
        moved: When bytes of a large frame that it brings last moved, on its clock.
    """

    def __init__(self, reports: Reports) -> None:
        """Begin as one who stays.

        Args:
            reports: What it must have told before it goes.
        """
        self.said = False
        self.moved = -math.inf
        self._reports = reports
        self._farewell: Farewell | None = None

    @property
    def begun(self) -> bool:
        """Whether the runner wants to leave."""
        return self._farewell is not None

    @property
    def stopped(self) -> bool:
        """Whether it leaves because the monitor said so."""
        return self.begun and self.status == 0

    @property
    def status(self) -> int:
        """The exit status of its process."""
        return 0 if self._farewell is None else self._farewell.status

    @property
    def complete(self) -> bool:
        """Whether all was said, and arrived."""
        return self.said and self._reports.arrived

    def begin(self, farewell: Farewell) -> None:
        """Leave, for this reason."""
        self._farewell = farewell

    def say(self, job: int | None, tail: str, now: float) -> None:
        """Say goodbye, once the worker has said its last words.

        Args:
            job: The job that it ran, and which ended with it; None if none did.
            tail: The last that job printed.
            now: The present.
        """
        if self._farewell is not None:
            self.said = True
            self._reports.goodbye(self._farewell, job, tail, now)

    def overdue(self, now: float, grace_s: float) -> bool:
        """Whether the runner has waited long enough to be heard.

        Args:
            now: The present.
            grace_s: How long a checkpoint may take, or a result that moves: they can
                be large.
        """
        if self._farewell is None:
            return False
        large = self._reports.saved or now - self.moved <= MOVES_S
        patience = max(LAST_WORDS_S, grace_s) if large else LAST_WORDS_S
        return now - self._farewell.at > patience
