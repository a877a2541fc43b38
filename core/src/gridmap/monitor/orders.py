"""What other processes of the user can order of a run. See `gridmap.control`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.errors import RunKilledError
from gridmap.monitor import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor.outcomes import Sink


class RunOrders:
    """Orders to one run. Its methods return at once and may be called in any thread.

    Args:
        name: The run's name.
        sink: Where its user waits for what comes of jobs.
        tell: Tells the ledger a fact.
    """

    def __init__(
        self, name: str, sink: Sink, tell: Callable[[facts.Fact], None]
    ) -> None:
        self._name, self._sink, self._tell = name, sink, tell

    def kill_run(self, by: str) -> None:
        """End the run: its user gets an exception, its runners are killed at once."""
        self._sink.broken(RunKilledError(self._name, by))
        self._tell(facts.Closed(kill=True))

    def kill_jobs(self, first: int, stop: int, by: str) -> None:
        """End jobs that are not over; each gets a verdict."""
        self._tell(facts.JobsKilled(first=first, stop=stop, by=by))
