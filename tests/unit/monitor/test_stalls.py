"""A job that does nothing is asked where it is, and then ended."""

from typing import Any

from tests.unit.monitor.desk import Desk

from gridmap.events import JobFailed
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.verdict import Cause

STALL_S = 100.0


class Stalling:
    """One runner that beats now and then, in one job."""

    def __init__(self, interval_s: float = 10.0, resubmits: int = 0) -> None:
        self.interval_s = interval_s
        self.desk = Desk(
            stall_s=STALL_S,
            resubmits=resubmits,
            interval_s=interval_s,
            silence_s=999.0,
        )
        self.desk.add(1)
        (self.peer,) = self.desk.start()
        (self.work,) = self.desk.work()
        self.beats = 0
        self.beat()

    def beat(self, *, count: int = 1, **used: Any) -> None:
        for _ in range(count):
            self.beats += 1
            self.desk.tick(self.interval_s)
            said = {"holds": (self.work.grant,), "job": 0, "running": 1.0, **used}
            self.desk.hear(self.peer, m.Beat(number=self.beats, **said))

    @property
    def verdicts(self) -> list[Any]:
        return [event.verdict for event in self.desk.take(JobFailed)]


def test_an_idle_job_is_asked_where_it_is_before_its_time_is_over() -> None:
    """Once, and what it answers stands in the verdict."""
    stalling = Stalling()
    stalling.beat(count=7)
    assert stalling.desk.take(m.Examine) == []
    stalling.beat()
    assert stalling.desk.take(m.Examine) == [m.Examine(job=0)]
    answered = stalling.desk.hear(stalling.peer, m.Stack(job=0, text="in f"))
    assert answered == []
    stalling.beat(count=3)
    assert stalling.desk.take(m.Examine) == []
    (verdict,) = stalling.verdicts
    assert (verdict.cause, verdict.stack) == (Cause.STALLED, "in f")
    assert len(stalling.desk.take(i.DeliverVerdict)) == 1


def test_one_that_does_not_answer_is_ended_as_well() -> None:
    """Without a stack."""
    stalling = Stalling()
    stalling.beat(count=11)
    (verdict,) = stalling.verdicts
    assert (verdict.cause, verdict.stack) == (Cause.STALLED, "")


def test_an_answer_for_another_job_is_not_this_ones() -> None:
    """It came too late for the one before."""
    stalling = Stalling()
    stalling.beat(count=8)
    stalling.desk.hear(stalling.peer, m.Stack(job=7, text="elsewhere"))
    stalling.beat(count=3)
    assert [verdict.stack for verdict in stalling.verdicts] == [""]


def test_who_moves_after_all_is_asked_anew() -> None:
    """And has the whole time again."""
    stalling = Stalling()
    stalling.beat(count=8)
    stalling.desk.hear(stalling.peer, m.Stack(job=0, text="then"))
    stalling.beat(read=1)
    stalling.beat(count=7, read=1)
    assert len(stalling.desk.take(m.Examine)) == 1
    stalling.beat(read=1)
    assert stalling.desk.take(m.Examine) == [m.Examine(job=0)]
    stalling.desk.hear(stalling.peer, m.Stack(job=0, text="now"))
    stalling.beat(count=3, read=1)
    assert [verdict.stack for verdict in stalling.verdicts] == ["now"]


def test_a_clock_tick_of_processor_time_is_no_movement() -> None:
    """Answering costs as much; a twentieth of a second is more."""
    stalling = Stalling()
    stalling.beat(count=9, cpu=0.01)
    assert len(stalling.desk.take(m.Examine)) == 1
    stalling.beat(cpu=0.2)
    stalling.beat(count=5, cpu=0.2)
    assert stalling.verdicts == []


def test_where_heartbeats_are_rarer_than_the_limit_it_is_asked_all_the_same() -> None:
    """It is ended one heartbeat later."""
    stalling = Stalling(interval_s=150.0)
    stalling.beat()
    assert stalling.desk.take(m.Examine) == [m.Examine(job=0)]
    assert stalling.verdicts == []
    stalling.beat()
    assert len(stalling.verdicts) == 1


def test_who_holds_work_and_begins_none_of_it_is_replaced() -> None:
    """Not before the limit; its jobs are not to blame and go to another."""
    stalling = Stalling(resubmits=1)
    stalling.beat(count=9, job=None)
    assert stalling.desk.take(i.KillRunners) == []
    stalling.beat(count=3, job=None)
    assert len(stalling.desk.take(i.KillRunners)) == 1
    assert stalling.verdicts == []
    stalling.desk.tick(10.0)
    stalling.desk.start()
    (again,) = stalling.desk.work()
    assert (again.first, again.count) == (0, 1)


def test_who_begins_to_work_after_a_while_is_left_alone() -> None:
    """To load a large function takes processor time."""
    stalling = Stalling()
    stalling.beat(count=9, job=None)
    stalling.beat(job=None, cpu=5.0)
    stalling.beat(count=9, job=None, cpu=5.0)
    assert stalling.desk.take(i.KillRunners) == []


def test_who_knows_of_no_work_does_not_stall() -> None:
    """What it was sent and never got goes another way."""
    stalling = Stalling()
    stalling.beat(count=1, job=None, holds=())
    stalling.beat(count=2, job=None, holds=())
    stalling.desk.take(i.KillRunners)
    stalling.beat(count=20, job=None, holds=())
    assert stalling.desk.take(i.KillRunners) == []


def test_time_in_which_nobody_listened_is_no_stall() -> None:
    """A driver that was stopped hears then what was said long ago."""
    for job in (None, 0):
        stalling = Stalling()
        stalling.beat(count=8, job=job)
        stalling.desk.tell(f.Tick(), 200.0)
        stalling.beat(job=job)
        assert stalling.desk.take(i.KillRunners) == []
        assert stalling.verdicts == []
        stalling.beat(count=4, job=job)
        assert len(stalling.verdicts) == 1
