"""How progress is shown, and whether: chosen once for a map."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from gridmap.display import notebook
from gridmap.display.printed import Printed
from gridmap.display.screen import can_draw, screen
from gridmap.display.status import lines, log_line
from gridmap.display.summary import summary
from gridmap.display.tally import Tally
from gridmap.events import RunEnded, RunnersSubmitted

if TYPE_CHECKING:
    from gridmap.events import AnyEvent

Observer: TypeAlias = Callable[["AnyEvent"], None]
Observers: TypeAlias = list[tuple[str, Observer]]

_CELL_S: Final = 0.5
_FIRST_LINE_S: Final = 10.0
_LINE_S: Final = 60.0
"""How far apart lines in a log are, at most; twice the last time, up to that."""


def is_wanted(
    progress: bool | Callable[..., None] | None,
    setting: bool | None,
    quiet: bool | None,
) -> bool:
    """Return whether progress is shown.

    Args:
        progress: What the caller of the map said; a function sees to it itself.
        setting: What the settings say.
        quiet: GridMap's word; None: its caller said nothing.
    """
    if callable(progress):
        return False
    for said in (progress, None if quiet is None else not quiet, setting):
        if said is not None:
            return said
    return True


def make_progress(
    wanted: bool | Callable[..., None],
    total: int | None,
    *,
    quiet: bool | None = None,
    name: str = "map",
    printed: Callable[[int], str] | None = None,
    brief: bool = False,
) -> tuple[Observers, Callable[[], None]]:
    """Return the observers that show progress, and what ends the display.

    Args:
        wanted: Whether to show progress; a function is called with every event instead.
        total: How many jobs there will be; None if that is not known yet.
        quiet: False also tells of each submission, on standard error, as GridMap did,
            and at the end how often the scheduler was asked.
        name: What the map is called.
        printed: How a job is called before the lines it prints; None: they are not
            shown.
        brief: Whether a map of less than two seconds ends without a word unless
            something went wrong, and one of less than ten without any in a log.
    """
    observers: Observers = [("submissions", _tell_submission)] if quiet is False else []
    if printed is not None:
        observers.append(("output", Printed(screen.write, printed)))
    if wanted is True:
        shown = _display(total, name, queries=quiet is not False, brief=brief)
        return [*observers, ("progress", shown)], shown.close
    if callable(wanted):
        observers.append(("progress", wanted))
    return observers, _nothing_to_end


def _display(total: int | None, name: str, *, queries: bool, brief: bool) -> Display:
    kind: type[Display] = Log
    if notebook.in_notebook():
        kind = Page
    elif can_draw(sys.stderr):
        kind = Bar
    return kind(Tally(expected=total), name, queries=queries, brief=brief)


def _nothing_to_end() -> None:
    """End no display."""


def _tell_submission(event: AnyEvent) -> None:
    if isinstance(event, RunnersSubmitted):
        first, last = event.handles[0], event.handles[-1]
        span = first if first == last else f"{first} … {last}"
        some = "1 runner" if first == last else f"{len(event.handles):,} runners"
        screen.write(f"gridmap: {some} submitted: {span}\n")
    elif isinstance(event, RunEnded):
        _tell_end(event)


def _tell_end(event: RunEnded) -> None:
    if event.queries:
        total = sum(event.queries.values())
        kinds = ", ".join(f"{kind} {n}" for kind, n in event.queries.items())
        screen.write(f"gridmap: {total} queries to the scheduler: {kinds}\n")
    if event.turned_away:
        kinds = ", ".join(f"{kind} {n}" for kind, n in event.turned_away.items())
        screen.write(f"gridmap: turned away: {kinds}\n")


class Display:
    """One map, shown; an observer."""

    def __init__(self, tally: Tally, name: str, *, queries: bool, brief: bool) -> None:
        self._tally = tally
        self._name = name
        self._queries = queries
        self._brief = brief
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._open = False
        self._closed = False
        self.prepare()

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event; called in the observers' thread."""
        with self._lock:
            self._tally.take(event)
            begins = not self._open and not self._closed
            self._open = True
        if begins:
            self.open()

    def prepare(self) -> None:
        """Do what is to be done in the thread that calls the map."""

    def open(self) -> None:
        """Begin to show it: the run has begun."""

    def end(self, text: list[str]) -> None:
        """Show no more, but what it came to."""

    def close(self) -> None:
        """Show what the map came to, and give the terminal back. Idempotent."""
        with self._lock:
            closed, self._closed = self._closed, True
            if closed or not self._open:
                return
            text = summary(self._tally, self._name, queries=self._queries)
        took_s = time.monotonic() - self._began
        self.end([] if self._brief and self.is_minor(text, took_s) else text)

    def is_minor(self, text: list[str], took_s: float) -> bool:
        """Tell whether a summary may be left out."""
        return len(text) == 1 and took_s < 2  # noqa: PLR2004 - as a summary has it


class Bar(Display):
    """Two lines at the bottom of a terminal."""

    def open(self) -> None:
        """Have them drawn."""
        screen.add(self)
        if self._closed:  # an observer that was left behind comes late
            screen.remove(self)

    def lines(self, width: int, *, plain: bool) -> list[str]:
        """Return the two lines."""
        with self._lock:
            return lines(self._tally, self._name, width, plain=plain)

    def end(self, text: list[str]) -> None:
        """Take them away."""
        folded = fold(text, shutil.get_terminal_size().columns)
        screen.remove(self, "".join(f"{line}\n" for line in folded))


def fold(lines: list[str], width: int) -> list[str]:
    """Return lines none of which is cut in the middle of a word. Pure."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line,
            width,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


class _Ticking(Display):
    """Shown by a thread of its own, now and then."""

    period_s = _CELL_S

    def prepare(self) -> None:
        """Have what is needed to end it."""
        self._over = threading.Event()

    def open(self) -> None:
        """Begin with the first."""
        threading.Thread(target=self._run, name="gridmap-display", daemon=True).start()

    def _run(self) -> None:
        pause = self.period_s
        while not self._over.wait(pause):
            try:
                self.show()
            except Exception:  # noqa: BLE001 - never able to disturb a run
                return
            pause = self.next_pause(pause)

    def next_pause(self, pause: float) -> float:
        """Return how long to wait after such a pause."""
        return pause

    def show(self) -> None:
        """Show it as it stands."""

    def stop(self) -> None:
        """Have the thread end."""
        self._over.set()


class Log(_Ticking):
    """A line now and then."""

    period_s = _FIRST_LINE_S

    def next_pause(self, pause: float) -> float:
        """Return how long to wait after such a pause."""
        return min(_LINE_S, 2 * pause)

    def show(self) -> None:
        """Write a line."""
        with self._lock:
            if self._closed:
                return
            line = log_line(self._tally, self._name)
        screen.write(f"{line}\n")

    def is_minor(self, text: list[str], took_s: float) -> bool:
        """Tell whether it may be left out: a log need not have every map in it."""
        del text
        return took_s < _FIRST_LINE_S

    def end(self, text: list[str]) -> None:
        """Write the summary."""
        self.stop()
        screen.write("".join(f"{line}\n" for line in text))


class Page(_Ticking):
    """A cell of a notebook."""

    def prepare(self) -> None:
        """Make the cell, while the notebook runs it."""
        super().prepare()
        self._cell = notebook.Cell()
        self._page()

    def show(self) -> None:
        """Show it as it stands."""
        self._page()

    def _page(self, text: list[str] | None = None) -> None:
        with self._lock:
            if self._closed and text is None:
                return
            page = notebook.page(self._tally, self._name, text or ())
        self._cell.show(page)

    def end(self, text: list[str]) -> None:
        """Leave it as it ended."""
        self.stop()
        with contextlib.suppress(Exception):  # the notebook may be gone
            self._page(text)
