"""The screen of ``gridmap top``, in Textual. Imported when it is drawn, not before."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.app import App
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.widgets import (
    DataTable,
    Footer,
    ProgressBar,
    Sparkline,
    Static,
    TabbedContent,
    TabPane,
)

from gridmap.cli import panels, watching
from gridmap.cli.modals import Question, RunnerLog, Verdict
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
_TABS: Final = ("Runners", "Jobs", "Nodes", "Failures", "Events", "Runs")


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
    Question, Verdict, RunnerLog { align: center middle; }
    #question { width: 60; max-width: 90%; height: auto; border: thick $error;
                padding: 1 2; background: $surface; }
    #question Horizontal { height: auto; margin-top: 1; align: center middle; }
    #question Button { margin: 0 2; }
    #verdict, #log { width: 90%; height: 80%; border: round $primary; padding: 0 1;
                     background: $surface; }
    #verdict { overflow-y: auto; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("q", "quit", "Quit"),
        Binding("k", "kill_run", "Kill run"),
        Binding("x", "kill_job", "Kill job"),
        Binding("l", "log", "Log"),
        *(
            Binding(str(n), f"tab('{name.lower()}')", name, show=False)
            for n, name in enumerate(_TABS, 1)
        ),
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
            for n, title in enumerate(_TABS, 1):
                name = title.lower()
                with TabPane(f"{n} {title}", id=name):
                    yield DataTable(id=f"{name}-table", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Make the tables' heads, and begin to look."""
        heads: dict[str, Iterable[str]] = {
            "runners": panels.RUNNER_COLUMNS,
            "jobs": panels.JOB_COLUMNS,
            "nodes": panels.NODE_COLUMNS,
            "failures": panels.FAILURE_COLUMNS,
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
        self._fill("jobs", panels.jobs(view, now))
        self._fill("nodes", panels.nodes(view))
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
        """Show what there is behind a row: a log, a verdict, another run."""
        cells = event.data_table.get_row_at(event.cursor_row)
        tab = self.query_one(TabbedContent).active
        if tab in ("jobs", "failures"):
            self._tell_of(int(cells[0]))
        elif tab == "runs":
            found = watching.find(str(cells[0]), str(self._records.path))
            self._entry = found
            self.action_tab("runners")
            self.look()
        elif tab == "runners":
            self.action_log()

    def _tell_of(self, job: int) -> None:
        """Show a failed job's verdict, or of another the log of its runner."""
        failure = self._view.failures.get(job) if self._view is not None else None
        if failure is None:
            self.action_log()
            return
        text = failure.verdict.explain()
        if failure.traceback:
            text += f"\n  traceback:\n{failure.traceback}"
        self.push_screen(Verdict(text))

    def action_log(self) -> None:
        """Show what jobs of the runner under the cursor print, or why it waits."""
        view, number = self._view, self._runner()
        runner = view.runners.get(number) if view is not None else None
        if view is None or runner is None:
            self.notify("There is no runner under the cursor, nor a job that had one.")
            return
        if runner.state == "queued":
            why = runner.reason or "nobody has said yet what it waits for"
            self.push_screen(Verdict(f"Runner {runner.handle} waits: {why}"))
            return
        folder = Path(view.directory) / "logs"
        self.push_screen(RunnerLog(self._entry, folder, runner.number, runner.handle))

    def _runner(self) -> int:
        """Return the number of the runner under the cursor, or of its job's; else -1."""
        view, row = self._view, self._row()
        tab = self.query_one(TabbedContent).active
        if view is None or not row:
            return -1
        if tab in ("jobs", "failures"):
            number = view.job(int(row[0])).runner
            return -1 if number is None else number
        found = (one.number for one in view.runners.values() if one.handle == row[0])
        return next(found, -1) if tab == "runners" else -1

    def _row(self) -> tuple[str, ...]:
        """Return the row under the cursor; empty if there is none."""
        tab = self.query_one(TabbedContent).active
        rows, at = self._drawn.get(tab, []), self._table(tab).cursor_row
        return rows[at] if at < len(rows) else ()

    def action_kill_run(self) -> None:
        """Ask, and end the run."""
        if self._live():
            name = self._entry.record.name
            self._ask(f"Kill run {name} and all its runners?", None)

    def action_kill_job(self) -> None:
        """Ask, and end the job under the cursor, or that of the runner there."""
        row, tab = self._row(), self.query_one(TabbedContent).active
        place = {"runners": 3, "jobs": 0}.get(tab)
        job = row[place] if row and place is not None else ""
        if not job:
            self.notify("There is no job under the cursor, nor a runner that has one.")
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
