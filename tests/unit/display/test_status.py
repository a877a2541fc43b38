"""How a map stands, as lines: never longer than there is room, whatever happened."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gridmap import events as ev
from gridmap.display.notebook import page
from gridmap.display.printed import shown
from gridmap.display.status import duration, lines, log_line, rate
from gridmap.display.summary import summary
from gridmap.display.tally import Tally
from gridmap.lifecycle import JobState
from gridmap.resources import Resources
from gridmap.verdict import Cause, Statement, Verdict, Witness


def a_map(name: str = "sweep") -> Tally:
    """Return a map of twenty jobs in the middle of it."""
    tally = Tally(expected=20)
    asked = Resources(memory="4G")

    def take(kind: type[ev.AnyEvent], at: float, **fields: object) -> None:
        tally.take(kind(run="r", at=at, **fields))  # type: ignore[arg-type]

    take(ev.RunStarted, 0.0, name=name, backend="sge", directory="/d")
    take(ev.JobsQueued, 0.0, first=0, stop=20, resources=asked)
    take(ev.RunnersSubmitted, 1.0, runners=(1, 2, 3), handles=("7.1", "7.2", "7.3"))
    take(ev.RunnerUp, 2.0, runner=1, handle="7.1", node="a", pid=1)
    take(ev.RunnerUp, 2.0, runner=2, handle="7.2", node="b", pid=1)
    take(ev.JobsGranted, 2.0, first=0, stop=10, runner=1, attempt=1)
    take(ev.JobsGranted, 2.0, first=10, stop=12, runner=2, attempt=1)
    take(ev.JobsDone, 9.0, first=0, stop=4, runner=1, seconds=24.0, peak_rss=300 << 20)
    said = Statement(witness=Witness.WORKER, text="it raised", cause=Cause.RAISED)
    verdict = Verdict(cause=Cause.RAISED, statements=(said,), job="x", attempt=1)
    take(ev.JobFailed, 9.5, job=10, verdict=verdict, again=False)
    vitals = {"cpu_s": 20.0, "rss": 3 << 29, "peak_rss": 1 << 28, "io_bytes": 0}
    take(ev.RunnerVitals, 10.0, runner=1, job=4, running_s=1.0, **vitals)
    take(ev.JobProgress, 10.0, job=4, runner=1, done=1, total=2, text="epoch")
    return tally


def test_a_map_is_told_in_two_lines() -> None:
    """On a terminal of 80 columns; on a wide one nothing more is known."""
    assert lines(a_map(), "sweep", 80, plain=True) == [
        f"sweep {'#' * 15}{'.' * 38}  28% 5/20, 30 s left",
        "  1 failed, 2 running, 13 queued, 30/min, 2 of 2 runners busy, 1 runner waiting",
    ]
    wide = lines(a_map(), "sweep", 200)
    assert "job 4: 1/2 epoch" in wide[1]
    assert "1.5 GiB" in wide[1]


def test_the_time_left_of_a_resumed_map_is_reckoned_from_what_it_did_itself() -> None:
    """Half of it was done before, and a fifth of a job took ten seconds."""
    tally = Tally(expected=2)
    states = bytes([JobState.DONE, JobState.GRANTED])
    for event in (
        ev.RunStarted(run="r", at=0.0, name="n", backend="b", directory="/d"),
        ev.JobsRestored(run="r", at=0.0, jobs=2, done=1, failed=0, states=states),
        ev.RunnerUp(run="r", at=0.0, runner=1, handle="1", node="a", pid=1),
        ev.JobProgress(run="r", at=10.0, job=1, runner=1, done=1, total=5),
    ):
        tally.take(event)
    assert lines(tally, "n", 80, plain=True)[0].endswith("60% 1/2, 40 s left")


@given(st.text(max_size=60), st.integers(1, 250), st.booleans(), st.text(max_size=80))
def test_no_line_is_longer_than_there_is_room(
    name: str, width: int, plain: bool, text: str
) -> None:
    """And no text of a user's moves the cursor."""
    tally = a_map()
    tally.take(ev.JobProgress(run="r", at=11.0, job=4, runner=1, done=1e200, text=text))
    for line in lines(tally, name, width, plain=plain):
        assert len(line) <= width
        assert line.isprintable() or not line
    assert log_line(tally, name).isprintable()
    assert "<script" not in page(tally, f"<script>{name}")["text/html"]


@given(st.text())
def test_what_is_printed_never_moves_the_cursor(text: str) -> None:
    """Whatever bytes a job printed."""
    assert shown(text).isprintable() or not shown(text)


def test_colours_and_progress_bars_are_taken_out() -> None:
    """The last state of a bar is what there is to see."""
    assert shown("\x1b[31mred\x1b[0m\tx") == "red     x"
    assert shown(" 10%\r 20%\r") == " 20%"
    assert shown("\x1b]0;title\x07text") == "text"


def test_a_summary_says_what_to_ask_for() -> None:
    """Time, speed, use against what was asked for, causes, and advice."""
    tally = a_map()
    tally.take(ev.RunEnded(run="r", at=12.0, error=None, queries={"look": 3}))
    head, *rest = summary(tally, "sweep")
    assert head.startswith("sweep: 4 of 20 jobs in 12 s on 2 runners, 2.0 times")
    text = "\n".join(rest)
    assert "memory: at most 300 MiB of 4 GiB" in text
    assert "failed: raised 1" in text
    assert "scheduler asked 3 times: look 3" in text
    assert 'next time ask for memory="384 MiB"' in text
    assert Resources(memory="384 MiB").memory == 384 << 20


def test_a_job_that_is_run_twice_is_counted_once() -> None:
    """How far its second attempt is does not count before that does; time it took does."""
    tally = Tally(expected=2)
    told: dict[str, Any] = {"run": "r", "job": 0, "runner": 2, "attempt": 2}
    far: dict[str, Any] = {"run": "r", "at": 4.0, "job": 0, "total": 4.0}
    up = [
        ev.RunnerUp(run="r", at=0.1, runner=runner, handle=None, node="n", pid=1)
        for runner in (1, 2)
    ]
    events: list[ev.AnyEvent] = [
        ev.RunStarted(run="r", at=0, name="x", backend="local", directory=""),
        ev.JobsQueued(run="r", at=0.1, first=0, stop=2),
        *up,
        ev.JobsGranted(run="r", at=0.2, first=0, stop=1, runner=1, attempt=1),
        ev.JobSpeculated(at=3.0, first=1, ran_s=2.0, patience_s=1.0, **told),
        ev.JobProgress(runner=1, done=2.0, **far),
        ev.JobProgress(runner=2, done=1.0, **far),
    ]
    for event in events:
        tally.take(event)
    assert tally.part == 0.25
    assert "1 running, 1 queued" in lines(tally, "x", 80, plain=True)[1]
    events = [
        ev.SpeculationEnded(at=5.0, outcome="won", text="", lost_s=4.5, **told),
        ev.JobsGranted(run="r", at=5.0, first=0, stop=1, runner=2, attempt=2),
        ev.JobsDone(run="r", at=5.0, first=0, stop=1, runner=2, seconds=2.0),
        ev.RunEnded(run="r", at=5.0, error=None),
    ]
    for event in events:
        tally.take(event)
    assert tally.part == 0.5
    assert tally.seconds == 6.5
    assert "  begun a second time: won 1" in summary(tally, "x")


def test_a_short_map_has_a_short_summary() -> None:
    """Nobody wants five lines on half a second."""
    tally = Tally(expected=1)
    started = ev.RunStarted(run="r", at=0, name="x", backend="local", directory="")
    for event in (
        started,
        ev.JobsQueued(run="r", at=0.1, first=0, stop=1),
        ev.JobsDone(run="r", at=0.4, first=0, stop=1, runner=1, seconds=0.1),
        ev.RunEnded(run="r", at=0.5, error=None, queries={"look": 3}),
    ):
        tally.take(event)
    assert summary(tally, "x") == ["x: 1 job in 0.5 s"]


def test_times_are_written_as_people_do() -> None:
    """From tenths of seconds to days."""
    told = [duration(s) for s in (0.25, 59.0, 245.0, 7200.0, 273_600.0)]
    assert told == ["0.2 s", "59 s", "4:05", "2:00:00", "3 d 4 h"]
    assert [rate(r) for r in (1234.0, 1.5, 0.5, 0.001)] == [
        "1,234/s", "1.5/s", "30/min", "3.6/h",
    ]  # fmt: skip
