"""Ending runners whose walltime is over; nothing else on this machine would."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap_local.runner import Runner


class Walltime:
    """One thread that sleeps until the next deadline; none while there is none.

    It lives in the user's process, as a scheduler would: runners that outlive that
    process are under their own watch (see `gridmap_identify`'s deadline).

    Args:
        end: Called in the thread with a runner whose time is over; blocks.
        clock: The clock that deadlines are of.
    """

    def __init__(
        self, end: Callable[[list[Runner]], object], clock: Callable[[], float]
    ) -> None:
        self._end = end
        self._clock = clock
        self._changed = threading.Condition()
        self._watched: set[Runner] = set()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def watch(self, runners: Iterable[Runner]) -> None:
        """Watch those of the runners that have a deadline."""
        with self._changed:
            self._watched |= {r for r in runners if r.deadline is not None}
            if self._watched and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="gridmap-local-walltime", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """End the thread and wait for it. Idempotent."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            self._end(due)

    def _next(self) -> list[Runner] | None:
        """Wait for runners whose time is over; None when stopped."""
        with self._changed:
            while not self._stopped:
                self._watched = {r for r in self._watched if r.end is None}
                now = self._clock()
                due = [r for r in self._watched if (r.deadline or now) <= now]
                if due:
                    self._watched.difference_update(due)
                    return due
                times = [r.deadline - now for r in self._watched if r.deadline]
                self._changed.wait(min(times, default=None))
            return None
