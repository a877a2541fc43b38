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
        watch: See `gridmap.JobMonitor.watch`.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        tell: Callable[[facts.Fact], None],
        watch: Callable[..., Callable[[], None]],
    ) -> None:
        self._name, self._sink, self._tell = name, sink, tell
        self._watch = watch

    def watch(self, *, output: bool) -> Callable[[], None]:
        """Have jobs' progress, and what they print, told at once; return the end."""
        return self._watch(output=output)

    def kill_run(self, by: str) -> None:
        """End the run: its user gets an exception, its runners are killed at once."""
        self._sink.broken(RunKilledError(self._name, by))
        self._tell(facts.Closed(kill=True))

    def kill_jobs(self, first: int, stop: int, by: str) -> None:
        """End jobs that are not over; each gets a verdict."""
        self._tell(facts.JobsKilled(first=first, stop=stop, by=by))
