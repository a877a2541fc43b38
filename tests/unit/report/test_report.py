"""A run's report tells what happened, in one file that is safe to open."""

import csv
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.cli.test_watching import AT, KILLED, Past, end, past, sweep

from gridmap import events as ev
from gridmap import report
from gridmap.overview import Overview
from gridmap.report import Summary, figures
from gridmap.report.page import MOST_ROWS, memory, span
from gridmap.resources import Resources
from gridmap.verdict import Cause, Verdict

__all__ = ["past"]

R = "3f9a1c2e00000000"
VOID = {"meta", "path", "rect", "br"}


def fold(events: list[ev.Event], state: str = "done") -> Summary:
    overview = Overview()
    for event in events:
        overview.take(event)
    return report.summarize(overview, state)


def vitals(job: int, peak: int, runner: int = 1) -> ev.RunnerVitals:
    return ev.RunnerVitals(
        run=R, at=AT + 5, runner=runner, cpu_s=4.0, rss=peak, peak_rss=peak, io_bytes=0,
        job=job, running_s=1.0,
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.addresses += [given[n] or "" for n in ("src", "href") if n in given]
        self.handlers += [name for name in given if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_tells_the_run() -> None:
    """Its counts, times, causes, advice and jobs."""
    asked = Resources(memory=8 * 2**30)
    queued = ev.JobsQueued(run=R, at=AT, first=0, stop=5, resources=asked)
    first, _, *rest = sweep("/d")
    summary = fold([first, queued, *rest, vitals(0, 2**30), end()], "failed")
    page = Page(report.as_html(summary))
    for expected in (
        "sweep", "failed", "out of memory: 1 attempt", "oom_kill rose by 1",
        "hold 1 GiB, of 8 GiB asked for, and some ended for want of it (1)", "speed-up", "node1",
    ):  # fmt: skip
        assert expected in page.text
    assert page.tags.count("tr") == 6


def test_what_is_asked_for_is_compared_with_what_was_used() -> None:
    """Memory has some room, and a walltime is enough for the longest."""
    asked = Resources(memory=8 * 2**30, walltime=36_000)
    done = ev.JobsDone(run=R, at=AT + 400, first=0, stop=2, runner=1, seconds=600.0)
    events = [
        sweep("/d")[0],
        ev.JobsQueued(run=R, at=AT, first=0, stop=5, resources=asked),
        vitals(0, 3 * 2**30),
        done,
    ]
    assert fold(events).advice == (
        (
            "Memory: the largest job was seen to hold 3 GiB, of 8 GiB asked for; "
            'ask for memory="4G".'
        ),
        (
            "Time: the longest job took 0:05:00, of 10:00:00 asked for; a walltime of "
            "0:15:00 is enough for any of them, and a runner takes several where there is "
            "more."
        ),
    )


def test_a_page_needs_nothing_from_elsewhere() -> None:
    """No script, no picture, no style and no font of another place, and no handler."""
    page = Page(report.as_html(fold([*sweep("/d"), end()])))
    assert page.addresses == []
    assert page.handlers == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)


@settings(max_examples=40, deadline=None)
@given(st.text() | st.just("</style><script>alert(1)</script>") | st.just('"><img x="'))
def test_no_text_becomes_a_part_of_the_page(text: str) -> None:
    """Names, nodes, handles and words of witnesses may be anything."""
    verdict = Verdict(cause=Cause.LOST, job=text, node=text, runner=text, log_tail=text)
    events = [
        ev.RunStarted(run=R, at=AT, name=text, backend=text, directory=text),
        ev.JobsQueued(run=R, at=AT, first=0, stop=2),
        ev.RunnerUp(run=R, at=AT, runner=1, handle=text, node=text, pid=1),
        ev.JobsDone(run=R, at=AT + 2, first=0, stop=1, runner=1, seconds=1.0),
        ev.JobFailed(run=R, at=AT + 2, job=1, verdict=verdict, again=False),
        ev.RunEnded(run=R, at=AT + 3, error=text),
    ]
    told, plain = fold(events), fold([*sweep("/d"), end()])
    allowed = {*Page(report.as_html(plain)).tags, "p", "h3", "li", "ul", "strong"}
    page = Page(report.as_html(told))
    assert set(page.tags) <= allowed
    assert page.handlers == []


def test_jobs_have_their_times() -> None:
    """Jobs that are reported together ran one after another."""
    rows = list(fold([*sweep("/d"), end()]).rows())
    assert [(row.begin, row.end) for row in rows[:2]] == [(1.0, 5.0), (5.0, 9.0)]
    assert [row.node for row in rows[:3]] == ["node1", "node1", "node2"]
    assert (rows[2].state, rows[2].cause, rows[2].seconds) == (
        "failed", "out of memory", 6.0,
    )  # fmt: skip
    assert (rows[4].state, rows[4].end) == ("queued", None)


def test_a_table_has_every_job() -> None:
    """One row each, which a spreadsheet takes for text."""
    odd = Verdict(cause=Cause.LOST, node="=cmd()")
    up = ev.RunnerUp(run=R, at=AT, runner=2, handle="-1", node="=cmd()", pid=1)
    events = [*sweep("/d"), up, vitals(0, 12345)]
    failed = ev.JobFailed(run=R, at=AT + 9, job=3, verdict=odd, again=False)
    rows = list(
        csv.DictReader(io.StringIO("".join(report.as_csv(fold([*events, failed])))))
    )
    assert [row["job"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[0]["peak"] == "12345"
    assert rows[0]["seconds"] == "4"
    assert rows[2]["node"] == "'=cmd()"
    assert rows[3]["cause"] == "lost"


def test_json_has_what_the_page_has() -> None:
    """It can be written as JSON, and read again."""
    plain: Any = json.loads(json.dumps(report.as_plain(fold([*sweep("/d"), end()]))))
    assert plain["run_time_s"]["median"] == 4.0
    assert plain["took_s"] == 12.0
    assert plain["causes"][0]["cause"] == KILLED.cause.value
    assert len(plain["jobs"]) == 5


def test_a_large_run_is_told_shortly() -> None:
    """The page of 100,000 jobs is one that a browser opens, and shows what is bad."""
    done = [
        ev.JobsDone(
            run=R, at=AT + n, first=n * 100, stop=n * 100 + 100, runner=1, seconds=1.0
        )
        for n in range(1, 1000)
    ]
    bad = ev.JobFailed(run=R, at=AT + 1000, job=50_000, verdict=KILLED, again=False)
    queued = ev.JobsQueued(run=R, at=AT, first=0, stop=100_000)
    text = report.as_html(fold([sweep("/d")[0], queued, *done, bad]))
    assert len(text) < 2_000_000
    assert Page(text).tags.count("tr") == MOST_ROWS + 1
    assert "<td>50000</td><td>failed</td>" in text


@pytest.mark.parametrize("events", [[], sweep("/d")[:1], sweep("/d")[:2]], ids=len)
def test_a_run_that_has_just_begun_has_a_page(events: list[ev.Event]) -> None:
    """There is little to tell, and nothing fails."""
    summary = fold(events, "running")
    assert "running" in Page(report.as_html(summary)).text
    assert json.dumps(report.as_plain(summary))


@settings(max_examples=200, deadline=None)
@example([5e-324])
@example([0.0, 1e-320, 1e-300])
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_a_histogram_counts_every_job(values: list[float]) -> None:
    """Whatever the values: each is in one bar, and bars have room."""
    drawn = figures.histogram(sorted(values), span, "x")
    counts = re.findall(r": ([\d,]+) jobs?</title>", drawn)
    assert sum(int(count.replace(",", "")) for count in counts) == len(values)
    assert 1 <= len(counts) <= 60


@pytest.mark.parametrize(
    ("least", "most", "scale", "unit"),
    [
        (20.49 * 2**20, 20.51 * 2**20, memory, 2**20),
        (1000 * 2**20, 1001 * 2**20, memory, 2**20),
        (1.512, 1.513, span, 1.0),
        (0.0051, 0.0052, span, 1.0),
        (61.0, 61.5, span, 1.0),
    ],
)
def test_bars_are_no_finer_than_what_is_written_below_them(
    least: float, most: float, scale: Callable[[float], str], unit: float
) -> None:
    """Else all of an axis would have one number."""
    values = [least, *[(least + most) / 2] * 5, most]
    drawn = figures.histogram(values, scale, "x", unit)
    labels = re.findall(r">([^<>]+)</text>", drawn)
    assert len(labels) == len(set(labels)) > 1
    for lower, upper in re.findall(r"<title>(.+?) to (.+?):", drawn):
        assert lower != upper


@given(st.floats(1e-3, 1e8))
def test_an_axis_has_few_round_steps(last: float) -> None:
    """From a millisecond to years."""
    steps = last / figures._step(last)
    assert 0.7 < steps < 9


# The command ---------------------------------------------------------------------------


def test_the_command_writes_a_file(past: Past, tmp_path: Path) -> None:
    """Of a run that is over, in each format."""
    past.keep("20231114-221320-sweep-3f9a1c2e", [*sweep("/d"), end()])
    for form in ("html", "json", "csv"):
        path = tmp_path / f"out.{form}"
        done = past.shell.run("report", "sweep", "-f", form, "-o", str(path))
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"wrote {path}\n"
        assert path.stat().st_size > 100
    assert past.shell.run("report", "-f", "csv").stdout.startswith("job,state,")
    assert past.shell.json("report", "sweep")["name"] == "sweep"


def test_the_command_says_why_it_cannot_write(past: Past) -> None:
    """A directory that is not there, and a run that is not."""
    past.keep("20231114-221320-sweep-3f9a1c2e", [*sweep("/d"), end()])
    done = past.shell.run("report", "sweep", "-o", "/no/such/place/x.html")
    assert done.returncode == 1
    assert "cannot be written to /no/such/place/x.html: No such file" in done.stderr
    assert past.shell.run("report", "swep").returncode == 1
