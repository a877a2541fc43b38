"""What ``gridmap top`` shows over its screen: a question, a verdict, a log."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import work
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, Label, Log, Static

from gridmap.cli import logs
from gridmap.control.client import Control
from gridmap.errors import GridMapError
from gridmap.events import JobOutput

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from textual.app import ComposeResult

    from gridmap.control.register import Entry

_MOST_LINES: Final = 2_000
_FIRST_LINES: Final = 500
_PAUSE_S: Final = 1.0


class Question(ModalScreen[bool]):
    """Asks before something is ended."""

    BINDINGS: ClassVar = [
        ("y", "answer(True)", "yes"),
        ("n,escape", "answer(False)", "no"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(id="question"):
            yield Label(self._text)
            with Horizontal():
                yield Button("Kill (y)", id="yes", variant="error")
                yield Button("Leave it (n)", id="no", variant="primary")

    def on_mount(self) -> None:
        """Let Enter mean no."""
        _focus(self, "#no")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take a click for an answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Take a key for an answer."""
        self.dismiss(answer)


class Verdict(ModalScreen[None]):
    """Shows all that is known of a job that failed."""

    BINDINGS: ClassVar = [("escape,enter,q", "dismiss", "back")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(id="verdict"):
            yield Static(self._text, markup=False)
        yield Footer()


class RunnerLog(ModalScreen[None]):
    """Shows what a runner's jobs print: its log, and then each line as it is printed.

    Args:
        entry: The run.
        folder: Where its logs are.
        number: The runner's number.
        handle: What the scheduler calls it.
    """

    BINDINGS: ClassVar = [("escape,enter,q", "dismiss", "back")]

    def __init__(self, entry: Entry, folder: Path, number: int, handle: str) -> None:
        super().__init__()
        self._entry, self._folder = entry, folder
        self._number, self._handle = number, handle
        self._line: Control | None = None
        self._over = False

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(id="log") as box:
            box.border_title = f"What jobs of runner {self._handle} print"
            yield Log(max_lines=_MOST_LINES)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        _focus(self, "Log")
        self.read()

    def on_unmount(self) -> None:
        """Read no more."""
        self._over = True
        if self._line is not None:
            self._line.hang_up()

    @work(thread=True)
    def read(self) -> None:
        """Show what is there and what comes; in a thread, since it waits."""
        with logs.Tails(self._folder, self._handle) as tails:
            heard = False
            record = self._entry.record
            with contextlib.suppress(GridMapError, OSError):
                if not self._entry.over:
                    with Control(record.token, record.driver) as self._line:
                        # First of all: what is printed meanwhile is among these.
                        events = self._line.follow(output=True)
                        if self._over:  # it was left before there was a line
                            return
                        self._add(tails.first(_FIRST_LINES))
                        heard = True
                        own = (
                            event
                            for event in events
                            if isinstance(event, JobOutput)
                            and event.runner == self._number
                        )
                        for line in logs.printed(own, None):
                            self._add([line])
            if not heard:
                self._poll(tails)

    def _poll(self, tails: logs.Tails) -> None:
        """Show the file alone, as it grows, where the run cannot be asked."""
        found = [*tails.first(_FIRST_LINES)]
        if self._entry.over:
            found += tails.rest()
        nothing = logs.Line(logs.nothing(self._folder, over=self._entry.over))
        self._add(found or [nothing])
        while not (self._over or self._entry.over):
            time.sleep(_PAUSE_S)
            self._add(list(tails.more()))

    def _add(self, lines: Iterable[logs.Line]) -> None:
        texts = [logs.plain(line.text) for line in lines]
        if texts and not self._over:
            with contextlib.suppress(RuntimeError):  # the screen was just left
                self.app.call_from_thread(self._show, texts)

    def _show(self, texts: list[str]) -> None:
        with contextlib.suppress(NoMatches):  # it is being taken down
            self.query_one(Log).write_lines(texts)


def _focus(screen: ModalScreen[Any], what: str) -> None:
    with contextlib.suppress(NoMatches):  # it was closed before it was laid out
        screen.query_one(what).focus()
