"""Showing how far a map is: a bar on a terminal, lines elsewhere. An observer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gridmap.events import (
    JobFailed,
    JobsDone,
    JobsQueued,
    JobsRestored,
    RunEnded,
    RunnerGone,
    RunnersSubmitted,
    RunnerUp,
)

if TYPE_CHECKING:
    from gridmap.events import AnyEvent

Observer: TypeAlias = Callable[["AnyEvent"], None]
Observers: TypeAlias = list[tuple[str, Observer]]


def make_progress(
    wanted: bool | Callable[..., None], total: int | None, *, quiet: bool
) -> tuple[Observers, Callable[[], None]]:
    """Return the observers that show progress, and what ends the display.

    Args:
        wanted: Whether to show a bar; a function is called with every event instead.
        total: How many jobs there will be; None if that is not known yet.
        quiet: False also tells of each submission, on standard error, as GridMap did,
            and at the end how often the scheduler was asked.
    """
    observers: Observers = [] if quiet else [("submissions", _tell_submission)]
    if wanted is True:
        bar = Bar(total)
        return [*observers, ("progress", bar)], bar.close
    if callable(wanted):
        observers.append(("progress", wanted))
    return observers, _nothing_to_end


def _nothing_to_end() -> None:
    """End no display."""


def _tell_submission(event: AnyEvent) -> None:
    if isinstance(event, RunnersSubmitted):
        first, last = event.handles[0], event.handles[-1]
        span = first if first == last else f"{first} … {last}"
        sys.stderr.write(f"gridmap: {len(event.handles)} runners submitted: {span}\n")
    elif isinstance(event, RunEnded):
        _tell_end(event)


def _tell_end(event: RunEnded) -> None:
    if event.queries:
        total = sum(event.queries.values())
        kinds = ", ".join(f"{kind} {n}" for kind, n in event.queries.items())
        sys.stderr.write(f"gridmap: {total} queries to the scheduler: {kinds}\n")
    if event.turned_away:
        kinds = ", ".join(f"{kind} {n}" for kind, n in event.turned_away.items())
        sys.stderr.write(f"gridmap: turned away: {kinds}\n")


class Bar:
    """A bar with what is done, failed and running."""

    def __init__(self, total: int | None) -> None:
        from rich.console import Console  # noqa: PLC0415 - likewise
        from rich.progress import (  # noqa: PLC0415 - 100 ms that other maps need not pay
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._queued = 0
        self._failed = 0
        self._runners = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[runners]} runners{task.fields[failed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("map", total=total, runners=0, failed="")
        self._total = total
        self._progress.start()

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event; called in the observers' thread."""
        advance = 0
        if isinstance(event, JobsDone):
            advance = event.stop - event.first
        elif isinstance(event, JobFailed) and not event.again:
            advance, self._failed = 1, self._failed + 1
        elif isinstance(event, JobsRestored):
            self._queued += event.jobs
            self._failed += event.failed
            advance = event.done + event.failed
        elif isinstance(event, JobsQueued):
            self._queued += event.stop - event.first
        elif isinstance(event, RunnerUp):
            self._runners += 1
        elif isinstance(event, RunnerGone):
            self._runners = max(0, self._runners - 1)
        else:
            return
        failed = f", {self._failed} failed" if self._failed else ""
        self._progress.update(
            self._task,
            advance=advance,
            total=self._total if self._total is not None else self._queued,
            runners=self._runners,
            failed=failed,
        )

    def close(self) -> None:
        """Leave the bar as it is and give the terminal back."""
        self._progress.stop()
