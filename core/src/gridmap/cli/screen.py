"""The screen of ``gridmap top``, in Textual. Imported when it is drawn, not before."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.app import App
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widgets import (
    Button,
    DataTable,
    Footer,
    Label,
    ProgressBar,
    Sparkline,
    Static,
    TabbedContent,
    TabPane,
)

from gridmap.cli import panels, watching
from gridmap.control import plain
from gridmap.control.client import Control
from gridmap.errors import GridMapError
from gridmap.lifecycle import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

    from gridmap.control.register import Entry, Register
    from gridmap.overview import Overview

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
        self.query_one("#no").focus()

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


class Top(App[None]):
    """A run, full-screen.

    Args:
        entry: The run.
        register: Where records are.
    """

    CSS = """
    #head { height: 4; padding: 0 1; }
    #head Static { text-wrap: nowrap; text-overflow: ellipsis; }
    #bar { width: 1fr; }
    #bar Bar { width: 1fr; }
    #curves { height: 4; }
    #curves Vertical { padding: 0 1; }
    Sparkline { height: 3; }
    TabbedContent { height: 1fr; }
    TabPane { padding: 0; }
    DataTable { height: 1fr; }
    Question, Verdict { align: center middle; }
    #question { width: 60; max-width: 90%; height: auto; border: thick $error;
                padding: 1 2; background: $surface; }
    #question Horizontal { height: auto; margin-top: 1; align: center middle; }
    #question Button { margin: 0 2; }
    #verdict { width: 90%; height: 80%; border: round $primary; padding: 0 1;
               background: $surface; overflow-y: auto; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("q", "quit", "Quit"),
        Binding("k", "kill_run", "Kill run"),
        Binding("x", "kill_job", "Kill job"),
        Binding("1", "tab('runners')", "Runners"),
        Binding("2", "tab('failures')", "Failures"),
        Binding("3", "tab('events')", "Events"),
        Binding("4", "tab('runs')", "Runs"),
    ]

    def __init__(self, entry: Entry, register: Register) -> None:
        super().__init__()
        self._entry, self._records = entry, register
        self._view: Overview | None = None
        self._followed = ""
        self._line: Control | None = None
        self._drawn: dict[str, list[tuple[str, ...]]] = {}

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(id="head"):
            yield Static(id="title", markup=False)
            yield ProgressBar(id="bar", show_eta=False)
            yield Static(id="counts", markup=False)
            yield Static(id="note", markup=False)
        with Horizontal(id="curves"):
            for name in ("speed", "cpu", "memory"):
                with Vertical():
                    yield Static(id=f"{name}-label", markup=False)
                    yield Sparkline([], id=name)
        with TabbedContent(initial="runners"):
            for name, title in (
                ("runners", "Runners"), ("failures", "Failures"), ("events", "Events"),
                ("runs", "Runs"),
            ):  # fmt: skip
                with TabPane(title, id=name):
                    yield DataTable(id=f"{name}-table", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Make the tables' heads, and begin to look."""
        heads: dict[str, Iterable[str]] = {
            "runners": panels.RUNNER_COLUMNS,
            "failures": panels.JOB_COLUMNS,
            "events": ("At", "What"),
            "runs": ("Run", "Name", "Backend", "State", "Jobs"),
        }
        for name, columns in heads.items():
            self._table(name).add_columns(*columns)
        self._table("runners").focus()
        self.look()
        self.set_interval(_PAUSE_S, self.look)

    def _table(self, name: str) -> DataTable[str]:
        return self.query_one(f"#{name}-table", DataTable)

    # Looking ------------------------------------------------------------------------

    @work(thread=True, exclusive=True)
    def look(self) -> None:
        """Ask how the run and the others stand; in a thread, since it may take long."""
        try:
            entries = self._records.entries(50)
            mine = next((one for one in entries if one.name == self._entry.name), None)
            entry = mine or self._entry
            view = watching.look(entry)
        except GridMapError as error:
            self.call_from_thread(self.notify, str(error), severity="error")
            return
        runs = [
            (
                one.short, one.record.name, one.record.backend,
                plain.condition(one, one.record.overview()),
                panels.counts(one.record.overview()),
            )
            for one in entries
        ]  # fmt: skip
        if self._entry.name == entry.name:
            self.call_from_thread(self._show, entry, view, runs)

    @work(thread=True, group="follow")
    def follow(self, entry: Entry) -> None:
        """Have the run's jobs tell at once how far they are, as long as one looks."""
        token, driver = entry.record.token, entry.record.driver
        with contextlib.suppress(GridMapError, OSError), Control(token, driver) as line:
            self._line = line
            for _ in line.follow():
                if self._followed != entry.name:
                    return

    def on_unmount(self) -> None:
        """Look no more."""
        self._followed = ""
        if self._line is not None:
            self._line.hang_up()

    def _show(self, entry: Entry, view: Overview, runs: list[tuple[str, ...]]) -> None:
        self._entry, self._view = entry, view
        if self._followed != entry.name and not entry.over:
            self._followed = entry.name
            self.follow(entry)
        with contextlib.suppress(NoMatches):  # the screen is being taken down
            self._draw(entry, view, runs)

    def _draw(self, entry: Entry, view: Overview, runs: list[tuple[str, ...]]) -> None:
        now = time.time() if view.ended is None else view.ended  # noqa: TID251 - a clock to show
        state = plain.condition(entry, view)
        elapsed = watching.span(max(0.0, now - (view.started or now)))
        self.query_one("#title", Static).update(
            f"{view.name} ({entry.short}) on {view.backend}: {state}, {elapsed}"
        )
        over = sum(
            map(view.count, (JobState.DONE, JobState.FAILED, JobState.CANCELLED))
        )
        bar = self.query_one("#bar", ProgressBar)
        bar.update(total=max(1, view.total), progress=over)
        self.query_one("#counts", Static).update(panels.counts(view))
        note = view.error or panels.reasons(view) or panels.speed(view)
        if state == plain.RUNNING and entry.record.driver.elsewhere:
            note = (
                f"as of {panels.clock(view.at)}: it runs on {entry.record.driver.host}"
            )
        self.query_one("#note", Static).update(note.splitlines()[0] if note else "")
        self._curves(view)
        self._fill("runners", panels.runners(view, now))
        self._fill("failures", panels.failures(view))
        self._fill("events", list(panels.notices(view)))
        self._fill("runs", runs)

    def _curves(self, view: Overview) -> None:
        for name, (values, label) in panels.curves(view).items():
            self.query_one(f"#{name}", Sparkline).data = values or [0.0]
            self.query_one(f"#{name}-label", Static).update(label)

    def _fill(self, name: str, rows: list[tuple[str, ...]]) -> None:
        """Show rows, leaving the cursor where it is; what has not changed is left."""
        if self._drawn.get(name) == rows:
            return
        self._drawn[name] = rows
        table = self._table(name)
        row, scroll = table.cursor_row, table.scroll_y
        table.clear()
        table.add_rows(rows)
        table.move_cursor(row=min(row, max(0, len(rows) - 1)))
        table.scroll_to(y=scroll, animate=False)

    # Keys ---------------------------------------------------------------------------

    def action_tab(self, name: str) -> None:
        """Show a tab."""
        self.query_one(TabbedContent).active = name
        self._table(name).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show a failed job's verdict, or go to another run."""
        cells = event.data_table.get_row_at(event.cursor_row)
        if event.data_table.id == "failures-table" and self._view is not None:
            failure = self._view.failures.get(int(cells[0]))
            if failure is not None:
                text = failure.verdict.explain()
                if failure.traceback:
                    text += f"\n  traceback:\n{failure.traceback}"
                self.push_screen(Verdict(text))
        elif event.data_table.id == "runs-table":
            found = watching.find(str(cells[0]), str(self._records.path))
            self._entry = found
            self.action_tab("runners")
            self.look()

    def action_kill_run(self) -> None:
        """Ask, and end the run."""
        if self._live():
            name = self._entry.record.name
            self._ask(f"Kill run {name} and all its runners?", None)

    def action_kill_job(self) -> None:
        """Ask, and end the job of the runner under the cursor."""
        table = self._table("runners")
        rows = self._drawn.get("runners", [])
        job = rows[table.cursor_row][3] if table.cursor_row < len(rows) else ""
        if not job:
            self.notify("The runner under the cursor has no job.")
        elif self._live():
            self._ask(f"Kill job {job} of run {self._entry.record.name}?", int(job))

    def _live(self) -> bool:
        if self._entry.over:
            self.notify("This run is over: there is nothing to kill.")
        return not self._entry.over

    def _ask(self, text: str, job: int | None) -> None:
        def decide(answer: bool | None) -> None:
            if answer:
                self._kill(self._entry, job)

        self.push_screen(Question(text), decide)

    @work(thread=True)
    def _kill(self, entry: Entry, job: int | None) -> None:
        words = f"kill {entry.short}" + ("" if job is None else f" {job}")
        try:
            with Control(entry.record.token, entry.record.driver, words) as control:
                if job is None:
                    control.kill_run()
                else:
                    control.kill_jobs([(job, job + 1)])
        except GridMapError as error:
            self.call_from_thread(self.notify, str(error), severity="error")
            return
        what = "The run" if job is None else f"Job {job}"
        self.call_from_thread(self.notify, f"{what} will end now.")
