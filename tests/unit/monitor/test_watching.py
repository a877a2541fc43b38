"""Who watches a run is told what is new; where nobody does, nothing is said."""

import pytest
from tests.unit.monitor.desk import Desk

from gridmap.events import JobOutput, JobProgress
from gridmap.monitor import facts as f
from gridmap.protocol import messages as m

HALF = m.Progress(done=1, total=2, text="half")


@pytest.fixture
def desk() -> Desk:
    """Return a run of two jobs, one of them running."""
    desk = Desk(max_workers=1)
    desk.add(2)
    desk.peer = desk.start()[0]  # type: ignore[attr-defined]
    return desk


def test_runners_are_told_who_watches(desk: Desk) -> None:
    """Those that are up at once, those that come later when they come."""
    assert desk.take(m.Watch) == []
    desk.tell(f.Watched(live=True, output=True))
    (watch,) = desk.take(m.Watch)
    assert watch.output
    assert 0 < watch.period < 1
    other = Desk(max_workers=1)
    other.tell(f.Watched(live=True))
    other.add(1)
    other.start()
    assert [told.output for told in other.take(m.Watch)] == [False]
    desk.tell(f.Watched(live=False))
    assert desk.take(m.Watch) == [m.Watch(period=0.0)]


def test_progress_is_told_when_it_changes(desk: Desk) -> None:
    """By heartbeats too, which come without a watcher."""
    peer = desk.peer  # type: ignore[attr-defined]
    for number in (1, 2):
        desk.hear(peer, m.Beat(number=number, holds=(1,), job=0, progress=HALF))
    desk.hear(peer, m.Live(job=0, progress=HALF))
    (told,) = desk.take(JobProgress)
    assert (told.job, told.done, told.total, told.text) == (0, 1, 2, "half")
    desk.hear(peer, m.Live(job=0, progress=m.Progress(done=2, total=2)))
    assert [event.done for event in desk.take(JobProgress)] == [2]


def test_output_is_told_only_where_it_is_wanted(desk: Desk) -> None:
    """A runner may not know yet that nobody looks any more."""
    peer = desk.peer  # type: ignore[attr-defined]
    live = m.Live(printed=(m.Printed(job=0, text="hello\n"),), lost=9)
    desk.hear(peer, live)
    assert desk.take(JobOutput) == []
    desk.tell(f.Watched(live=True, output=True))
    desk.hear(peer, live)
    desk.hear(peer, m.Live(lost=4))
    told = [(event.job, event.text, event.lost) for event in desk.take(JobOutput)]
    assert told == [(0, "hello\n", 9), (None, "", 4)]


def test_no_job_is_invented(desk: Desk) -> None:
    """What a runner says of jobs that do not exist is of no job."""
    peer = desk.peer  # type: ignore[attr-defined]
    desk.tell(f.Watched(live=True, output=True))
    live = m.Live(job=5, progress=HALF, printed=(m.Printed(job=5, text="x"),))
    desk.hear(peer, live)
    assert desk.take(JobProgress) == []
    assert [event.job for event in desk.take(JobOutput)] == [None]


def test_a_job_that_says_something_new_does_not_stall() -> None:
    """Neither processor nor disk, but it moves."""
    desk = Desk(max_workers=1, stall_s=60.0, silence_s=1e6)
    desk.add(1)
    (peer,) = desk.start()
    said = m.Progress(done=0)
    for number in range(1, 40):
        said = m.Progress(done=number)
        desk.tick(10.0)
        desk.hear(peer, m.Beat(number=number, holds=(1,), job=0, progress=said))
    assert desk.take(m.Examine) == []
    assert desk.take(m.Cancel) == []
    for number in range(40, 60):
        desk.tick(10.0)
        desk.hear(peer, m.Beat(number=number, holds=(1,), job=0, progress=said))
    assert desk.take(m.Cancel)
