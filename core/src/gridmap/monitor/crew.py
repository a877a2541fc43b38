"""How many runners there are in each state, kept and not counted anew. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec

from gridmap.lifecycle import RunnerState


class Crew(msgspec.Struct):
    """The runners of a group or of a run, as numbers."""

    _counts: Counter[RunnerState] = msgspec.field(default_factory=Counter)

    def __getitem__(self, state: RunnerState) -> int:
        """Return how many are in a state."""
        return self._counts[state]

    def moved(
        self, before: RunnerState | None, after: RunnerState, count: int = 1
    ) -> None:
        """Count a runner elsewhere, or its cores; None: it is new."""
        if before is not None:
            self._counts[before] -= count
        if after is not RunnerState.GONE:
            self._counts[after] += count

    @property
    def up(self) -> int:
        """How many are up."""
        return self._counts[RunnerState.UP]

    @property
    def awaited(self) -> int:
        """How many were asked for and have not come yet."""
        return self._counts[RunnerState.REQUESTED] + self._counts[RunnerState.QUEUED]

    @property
    def living(self) -> int:
        """How many there are or will be; those that are to end do not count."""
        return self.awaited + self.up + self._counts[RunnerState.SUSPECT]
