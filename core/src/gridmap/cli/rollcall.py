"""Which runner did how much of a map. An observer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gridmap.events import JobsDone, RunnerUp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.events import AnyEvent


class Row(msgspec.Struct):
    """One runner.

    Attributes:
        handle: The scheduler's name for it.
        node: Where it ran.
        jobs: How many jobs it did.
        seconds: How long they took together.
    """

    handle: str
    node: str
    jobs: int = 0
    seconds: float = 0.0


class RollCall:
    """Takes in every event of a run; its methods are called from one thread at a time.

    Attributes:
        first_s: Seconds until the first runner was up.
        total_s: Seconds until `end`.
    """

    def __init__(
        self, clock: Callable[[], float], others: Sequence[Callable[[AnyEvent], None]]
    ) -> None:
        """Begin to count the seconds.

        Args:
            clock: Seconds that never run backward.
            others: Observers to hand every event on to.
        """
        self._clock = clock
        self._others = others
        self._start = clock()
        self._rows: dict[int, Row] = {}
        self.first_s = 0.0
        self.total_s = 0.0

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        if isinstance(event, RunnerUp):
            if not self._rows:
                self.first_s = self._clock() - self._start
            handle = event.handle or str(event.runner)
            self._rows[event.runner] = Row(handle, event.node)
        elif isinstance(event, JobsDone):
            row = self._rows.setdefault(event.runner, Row(str(event.runner), ""))
            row.jobs += event.stop - event.first
            row.seconds += event.seconds
        for other in self._others:
            other(event)

    def end(self) -> None:
        """Stop counting the seconds."""
        self.total_s = self._clock() - self._start

    def rows(self) -> list[Row]:
        """Return the runners that were up, by number."""
        return [row for _, row in sorted(self._rows.items())]
