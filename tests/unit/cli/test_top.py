"""`gridmap top`, driven by Textual's pilot in a screen of 80x24 and of 200x50."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("textual")

from tests.unit.cli.test_watching import AT, sweep
from textual.events import Key
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import DataTable, Log, ProgressBar, Static, TabbedContent

from gridmap import events as ev
from gridmap.cli import main, panels
from gridmap.cli.modals import Question, RunnerLog, Verdict
from gridmap.cli.screen import Top
from gridmap.cli.watching import find
from gridmap.control.recorder import Recorder
from gridmap.control.register import Register
from gridmap.overview import Overview
from gridmap.overview.views import Sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

SMALL, LARGE = (80, 24), (200, 50)


class Orders:
    """Notes what was ordered."""

    def __init__(self) -> None:
        self.given: list[object] = []
        self.watched, self.left = threading.Event(), threading.Event()
        self.heard = threading.Event()

    def kill_run(self, by: str) -> None:
        del by
        self.given.append("run")

    def watch(self, *, output: bool) -> Callable[[], None]:
        if output:
            self.heard.set()
            return lambda: None
        self.watched.set()
        return self.left.set

    def kill_jobs(self, first: int, stop: int, by: str) -> None:
        del by
        self.given.append((first, stop))


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def recorder(tmp_path: Path, orders: Orders) -> Iterator[Recorder]:
    made = Recorder(Register(tmp_path / "records"), 10, kept=False)
    made.obey(orders)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, recorder: Recorder) -> Register:
    """Start a run that goes on, of this process."""
    for event in sweep(str(tmp_path)):
        recorder(event)
    recorder(
        ev.RunnerVitals(
            run="3f9a1c2e00000000", at=AT + 10, runner=2, cpu_s=8.0, rss=2**30,
            peak_rss=2**30, io_bytes=0, job=4, running_s=1.0,
        )
    )  # fmt: skip
    return Register(tmp_path / "records")


def drive(
    records: Register,
    size: tuple[int, int],
    play: Callable[[Top, Pilot[None]], object],
) -> None:
    """Open the screen, let a coroutine play with it, and leave."""

    async def whole() -> None:
        top = Top(find("sweep", str(records.path)), records)
        async with top.run_test(size=size) as pilot:
            await until(
                pilot, lambda: bool(top.query_one("#runs-table", DataTable).row_count)
            )
            await play(top, pilot)  # type: ignore[misc]

    asyncio.run(whole())


async def until(pilot: Pilot[None], reached: Callable[[], bool]) -> None:
    """Wait until the screen shows something."""
    deadline = time.monotonic() + 30.0
    while not reached():
        assert time.monotonic() < deadline
        await pilot.pause(0.02)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])
def test_the_screen_shows_how_the_run_stands(
    run: Register, size: tuple[int, int]
) -> None:
    """Counts, the bar, runners and why one waits; nothing is outside of the screen."""

    async def play(top: Top, pilot: Pilot[None]) -> None:
        await pilot.pause()
        title = str(top.query_one("#title", Static).render())
        assert "sweep (3f9a1c2e) on sge: running" in title
        counts = str(top.query_one("#counts", Static).render())
        assert counts == "2 of 5 jobs done, 1 failed, 2 waiting"
        bar = top.query_one("#bar", ProgressBar)
        assert (bar.progress, bar.total) == (3, 5)
        rows = [
            [
                str(cell)
                for cell in top.query_one("#runners-table", DataTable).get_row_at(n)
            ]
            for n in range(3)
        ]
        assert rows[2][-1] == "queue instance full", "why it waits"
        assert [row[:4] for row in rows] == [
            ["42.1", "node1", "up", ""],
            ["42.2", "node2", "up", "4"],
            ["42.3", "", "queued", ""],
        ]
        width, height = size
        for widget in top.screen.query(Widget):
            region = widget.region
            assert region.right <= width, widget
            assert region.bottom <= height, widget

    drive(run, size, play)


def test_a_failed_job_tells_why(run: Register) -> None:
    """Its row leads to all that is known, and Escape back."""

    async def play(top: Top, pilot: Pilot[None]) -> None:
        await pilot.press("4")
        assert top.query_one(TabbedContent).active == "failures"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(top.screen, Verdict))
        text = str(top.screen.query_one(Static).render())
        assert "oom_kill rose by 1" in text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(top.screen, Verdict))

    drive(run, SMALL, play)


def shown(top: Top, tab: str) -> list[list[str]]:
    """Return the cells of a tab's table."""
    table = top.query_one(f"#{tab}-table", DataTable)
    return [list(map(str, table.get_row_at(n))) for n in range(table.row_count)]


def test_jobs_and_nodes_have_tables(run: Register) -> None:
    """Jobs that run come first, then those that failed; nodes say what they hold."""

    async def play(top: Top, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        assert top.query_one(TabbedContent).active == "jobs"
        jobs = shown(top, "jobs")
        assert [row[:4] for row in jobs] == [
            ["4", "running", "node2", "42.2"],
            ["2", "failed", "node2", "42.2"],
            ["3", "waits", "", ""],
            ["0", "done", "node1", "42.1"],
            ["1", "done", "node1", "42.1"],
        ]
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(top.screen, Verdict))
        await pilot.press("escape", "3")
        assert top.query_one(TabbedContent).active == "nodes"
        assert shown(top, "nodes") == [
            ["node1", "1", "0", "", "0.0 s", "2", "8.0 s"],
            ["node2", "1", "1", "1 GiB", "8.0 s", "0", "0.0 s"],
        ]

    drive(run, SMALL, play)


def test_a_runners_log_is_read_and_heard(
    run: Register, recorder: Recorder, orders: Orders, tmp_path: Path
) -> None:
    """What is in its file, then what its jobs print, and nothing of other runners."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "42.2.log").write_text("before \x1b[2J\n")

    def prints(runner: int, text: str) -> None:
        recorder(
            ev.JobOutput(
                run="3f9a1c2e00000000", at=AT + 11, job=4, runner=runner, text=text
            )
        )

    async def play(top: Top, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down", "l")  # one that waits has no log
        await until(pilot, lambda: isinstance(top.screen, Verdict))
        why = str(top.screen.query_one(Static).render())
        assert why == "Runner 42.3 waits: queue instance full"
        await pilot.press("escape", "up", "l")
        await until(pilot, lambda: isinstance(top.screen, RunnerLog))
        log = top.screen.query_one(Log)
        await until(pilot, orders.heard.is_set)
        await until(pilot, lambda: "before" in "".join(log.lines))
        prints(1, "of another\n")
        prints(2, "as it is printed\n")
        await until(pilot, lambda: "as it is printed" in log.lines)
        assert "of another" not in log.lines
        assert "\x1b" not in "".join(log.lines)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(top.screen, RunnerLog))

    drive(run, SMALL, play)


@pytest.mark.parametrize("turns", [0, 6, 7, 12])
@pytest.mark.parametrize("key", ["l", "k"])
def test_what_is_opened_while_the_screen_closes_does_no_harm(
    run: Register, tmp_path: Path, key: str, turns: int
) -> None:
    """Whoever types ahead leaves before it is laid out."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "42.2.log").write_text("before\n")

    async def play(top: Top, pilot: Pilot[None]) -> None:
        await pilot.press("down")
        top.post_message(Key(key, key))
        for _ in range(turns):
            await asyncio.sleep(0)
        top.exit()

    drive(run, SMALL, play)


def test_nothing_is_killed_without_a_yes(run: Register, orders: Orders) -> None:
    """Enter means no; y means yes, for the run and for the job under the cursor."""

    async def play(top: Top, pilot: Pilot[None]) -> None:
        for no in ("n", "escape", "enter"):
            await pilot.press("k")
            await until(pilot, lambda: isinstance(top.screen, Question))
            await pilot.press(no)
            await until(pilot, lambda: not isinstance(top.screen, Question))
        assert orders.given == []
        await pilot.press("3", "x")  # no job is under the cursor there
        await pilot.press("1", "down", "x")
        await until(pilot, lambda: isinstance(top.screen, Question))
        await pilot.press("y")
        await until(pilot, lambda: bool(orders.given))
        await pilot.press("k")
        await until(pilot, lambda: isinstance(top.screen, Question))
        await pilot.press("y")
        await until(pilot, lambda: len(orders.given) > 1)
        assert orders.given == [(4, 5), "run"]

    drive(run, SMALL, play)


def test_curves_tell_the_most_there_was() -> None:
    """Of a run that is over too, whose runners hold nothing any more."""
    view = Overview()
    for at, cpu_s, rss in ((0.0, 0.0, 0), (10.0, 0.2, 2**21), (20.0, 0.3, 0)):
        sample = Sample(at=at, done=int(at), failed=0, up=1, cpu_s=cpu_s, rss=rss)
        view.samples.append(sample)
    assert [label for _, label in panels.curves(view).values()] == [
        "jobs/s, most 1.0",
        "CPUs busy, most 0.02",
        "memory, most 2 MiB",
    ]


def test_rows_are_bounded_for_a_hundred_thousand_jobs() -> None:
    """What nobody could read is not drawn."""
    view = Overview()
    view.take(ev.JobsQueued(run="r", at=0.0, first=0, stop=100_000))
    runners = tuple(range(1000))
    view.take(
        ev.RunnersSubmitted(
            run="r", at=0.0, runners=runners, handles=tuple(map(str, runners))
        )
    )
    assert len(panels.runners(view, 1.0)) == panels.MOST_ROWS
    assert panels.counts(view) == "0 of 100,000 jobs done, 100,000 waiting"


def test_why_a_runner_waits_is_cut_to_what_fits() -> None:
    """All of it would have every screen scroll."""
    view = Overview()
    view.take(ev.RunnersSubmitted(run="r", at=0.0, runners=(1,), handles=("7.1",)))
    why = "it waits for nodes to become free: there is nothing to do but to wait"
    view.take(ev.RunnerPending(run="r", at=0.0, runner=1, handle="7.1", reason=why))
    assert panels.runners(view, 1.0)[0][-1] == "it waits for nodes to b…"


def test_without_textual_the_way_to_it_is_told(
    run: Register, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an error of one line."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    assert main(["top", "--records", str(run.path)]) == 1
    assert "pip install 'gridmap-core[top]'" in capsys.readouterr().err


def test_jobs_are_asked_how_far_they_are_for_as_long_as_one_looks(
    run: Register, orders: Orders
) -> None:
    """A heartbeat tells only every ten seconds."""

    async def play(top: Top, pilot: Pilot[None]) -> None:
        del top
        await until(pilot, orders.watched.is_set)
        assert not orders.left.is_set()

    drive(run, SMALL, play)
    assert orders.left.wait(10)


def test_it_is_for_terminals_alone(
    run: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a pipe or a file it would draw for ever."""
    assert main(["top", "--records", str(run.path)]) == 1
    assert "needs a terminal" in capsys.readouterr().err
