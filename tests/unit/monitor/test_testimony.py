"""What the monitor knows of a runner is told, and no more than that."""

import pytest
from tests.unit.monitor.desk import Desk
from tests.unit.monitor.test_trying_again import die

from gridmap import backend as b
from gridmap.events import JobFailed
from gridmap.monitor import facts as f
from gridmap.protocol import messages as m
from gridmap.resources import Resources
from gridmap.verdict import Cause, Verdict, Witness

PERSON = b.Autopsy(ending=b.Ending.PERSON)
NOTHING = b.Autopsy(exit_status=137)


def end(seconds: float, finding: b.Autopsy) -> Verdict:
    """Return the verdict on a runner of 20 s that is gone after so many."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=0, interval_s=2.0)
    desk.add(1, Resources(walltime=20))
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=20.0)
    number = 0
    while desk.now + 5.0 < seconds:
        desk.tick(2.0)
        number += 1
        beat = m.Beat(number=number, holds=(1,), job=0, running=desk.now, rss=2**20)
        desk.hear(peer, beat)
    desk.tick(seconds - 3.0 - desk.now)
    die(desk, peer, finding)
    (failed,) = desk.take(JobFailed)
    return failed.verdict


@pytest.mark.parametrize(
    ("seconds", "finding", "cause"),
    [
        (20.0, NOTHING, Cause.TIME_LIMIT),
        (22.0, NOTHING, Cause.TIME_LIMIT),
        (12.0, NOTHING, Cause.LOST),
        (20.0, PERSON, Cause.KILLED),
    ],
)
def test_who_went_at_his_deadline_was_ended_by_it_unless_somebody_knows(
    seconds: float, finding: b.Autopsy, cause: Cause
) -> None:
    """The last inference of all."""
    verdict = end(seconds, finding)
    assert verdict.cause is cause, verdict.explain()
    assert not verdict.late
    assert verdict.ran_s is not None
    assert abs(verdict.ran_s - seconds) < 0.1
    (beat,) = [s for s in verdict.statements if s.witness is Witness.HEARTBEAT]
    assert "1 MiB held" in beat.text


def test_nothing_is_inferred_from_what_broke_while_nobody_listened() -> None:
    """A driver that was stopped does not know whether that was before the deadline."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=0)
    desk.add(1, Resources(walltime=45))
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=45.0)
    desk.tick(15.0)
    die(desk, peer, NOTHING, after_s=100.0)
    (failed,) = desk.take(JobFailed)
    assert failed.verdict.cause is Cause.LOST, failed.verdict.explain()
    assert "within 100 s in which nobody listened" in failed.verdict.explain()


def test_a_runner_that_never_beat_says_so() -> None:
    """There is no heartbeat to be quoted, and no time to be told."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=0)
    desk.add(1, Resources(walltime=100))
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=100.0)
    desk.tell(f.Tick(), 1.0)
    die(desk, peer, b.Autopsy(limit=b.Limit.TIME))
    (failed,) = desk.take(JobFailed)
    assert failed.verdict.ran_s is None
    assert not failed.verdict.late
    texts = [s.text for s in failed.verdict.statements]
    assert any(
        text.startswith("none came; the runner was last heard") for text in texts
    )


def test_without_a_deadline_nothing_is_late() -> None:
    """Nor is anything inferred from one."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=0)
    desk.add(1)
    (peer,) = desk.start()
    desk.tick(2.0)
    die(desk, peer, b.Autopsy(limit=b.Limit.TIME))
    (failed,) = desk.take(JobFailed)
    assert (failed.verdict.cause, failed.verdict.late) == (Cause.TIME_LIMIT, False)


def test_what_an_earlier_job_held_is_no_testimony_on_this_one() -> None:
    """A heartbeat speaks of the job that ran then."""
    desk = Desk(b.Capabilities(), resubmits=0, max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    (first,) = desk.work()
    held = 2**30
    desk.hear(peer, m.Beat(number=1, holds=(1,), job=0, rss=held, peak=held))
    desk.report(peer, first)
    (second,) = desk.work()
    lost = m.WorkerLost(
        number=2, grant=second.grant, job=1, status=None, signal=9, peak=2**20
    )
    desk.hear(peer, lost)
    (failed,) = desk.take(JobFailed)
    assert failed.verdict.peak_memory == 2**20
