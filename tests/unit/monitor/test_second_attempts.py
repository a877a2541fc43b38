"""Of two attempts of one job one counts, whatever becomes of the other."""

from typing import Any

import pytest
from tests.unit.monitor.desk import PLAIN
from tests.unit.monitor.tail import NODE, PERSON, Tail, cancelled, failed

from gridmap.events import (
    JobFailed,
    JobsDone,
    JobsGranted,
    SpeculationEnded,
)
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.retry import Again, Escalate
from gridmap.verdict import Cause


def test_the_second_returns_first() -> None:
    """Its value counts, the first attempt is ended, and what that says is too late."""
    tail = Tail()
    work = tail.wait()
    desk = tail.desk
    desk.asked.clear()
    desk.report(tail.quick, work)
    order = [type(one) for one in desk.asked if isinstance(one, i.Deliver | i.Send)]
    assert order[0] is i.Deliver, "it is acknowledged and told before it is safe"
    (ended,) = desk.take(SpeculationEnded)
    assert (ended.outcome, ended.attempt, ended.lost_s) == ("won", 2, desk.now)
    assert [(e.first, e.attempt) for e in desk.take(JobsGranted)] == [(work.first, 2)]
    assert [event.first for event in desk.take(JobsDone)] == [work.first]
    assert [d.first for d in desk.take(i.Deliver)] == [work.first]
    assert cancelled(desk, tail.slow) == [tail.first.grant]
    assert desk.ledger.settled
    desk.report(tail.slow, tail.first)
    assert not desk.take(i.Deliver)
    assert not desk.take(JobFailed)


def test_the_first_returns_first() -> None:
    """The second is ended, and what it says is too late."""
    tail = Tail()
    work = tail.wait()
    desk = tail.desk
    desk.tick(5.0)
    desk.report(tail.slow, tail.first)
    (ended,) = desk.take(SpeculationEnded)
    assert (ended.outcome, ended.attempt) == ("dropped", 2)
    assert 5.0 <= ended.lost_s < 6.0
    assert [d.first for d in desk.take(i.Deliver)] == [work.first]
    assert cancelled(desk, tail.quick) == [work.grant]
    desk.report(tail.quick, work)
    assert not desk.take(i.Deliver)


def test_the_first_raises() -> None:
    """That is an end of the job's own, and counts as a value does."""
    tail = Tail()
    work = tail.wait()
    tail.desk.hear(tail.slow, failed(tail.first))
    assert tail.state is JobState.FAILED
    assert tail.ends() == [("dropped", 2)]
    assert cancelled(tail.desk, tail.quick) == [work.grant]


@pytest.mark.parametrize("resubmits", [3, 0])
def test_the_second_goes_on_where_the_first_is_lost(resubmits: int) -> None:
    """Without being sent again, and also where the job would not be run again."""
    tail = Tail(resubmits=resubmits)
    work, desk = tail.wait(), tail.desk
    tail.kill_slow()
    (event,) = desk.take(JobFailed)
    assert (event.again, event.verdict.cause) == (True, Cause.NODE_LOST)
    assert (event.verdict.attempt, event.delay_s) == (1, 0.0)
    assert tail.ends() == [("took over", 2)]
    assert [e.attempt for e in desk.take(JobsGranted)] == [2]
    assert not desk.work()
    assert tail.state is JobState.GRANTED
    desk.report(tail.quick, work)
    assert [d.first for d in desk.take(i.Deliver)] == [work.first]


def test_what_a_person_killed_stays_killed() -> None:
    """The second is not gridmap's way around that."""
    tail = Tail()
    tail.wait()
    tail.kill_slow(PERSON)
    assert tail.state is JobState.FAILED
    assert tail.ends() == [("dropped", 2)]


def test_the_second_goes_on_where_the_first_is_handed_back() -> None:
    """The job is not queued, since it runs."""
    tail = Tail()
    work, desk = tail.wait(), tail.desk
    back = m.Returned(number=9, grant=tail.first.grant, first=work.first, count=1)
    desk.hear(tail.slow, back)
    assert tail.ends() == [("took over", 2)]
    assert tail.state is JobState.GRANTED
    desk.report(tail.quick, work)
    assert [d.first for d in desk.take(i.Deliver)] == [work.first]


def test_the_second_does_not_go_on_with_too_little() -> None:
    """Where the first lacked memory, the second would lack it too."""
    tail = Tail(rules=(Escalate(memory=["4G"]),))
    work, desk = tail.wait(), tail.desk
    lost = m.WorkerLost(
        number=3, grant=tail.first.grant, job=work.first, status=None, signal=9,
        out_of_memory=True,
    )  # fmt: skip
    desk.hear(tail.slow, lost)
    assert tail.ends() == [("dropped", 2)]
    assert tail.state is JobState.QUEUED
    assert desk.books.jobs.group_of(work.first).resources != PLAIN


def test_a_pause_is_not_waited_for() -> None:
    """What runs already need not be run later."""
    tail = Tail(retry=lambda *_: Again(delay_s=60.0))
    tail.wait()
    tail.desk.hear(tail.slow, failed(tail.first))
    assert tail.ends() == [("took over", 2)]
    (event,) = tail.desk.take(JobFailed)
    assert event.delay_s == 0.0


# When the second fails ----------------------------------------------------------------

STACK = """Thread 0x1 (most recent call first):
  File "pool.py", line 1 in wait

Thread 0x2 (most recent call first):
  File "model.py", line 7 in load
  File "script.py", line 3 in f
"""


@pytest.mark.parametrize(
    ("stack", "told"),
    [
        (STACK, 'for 100 s, in File "model.py", line 7 in load'),
        ("(no answer from Python)", "for 100 s, in (no answer from Python)"),
        (None, "for 100 s"),
    ],
    ids=["python", "kernel", "nothing"],
)
def test_a_second_attempt_that_stalls_is_asked_where_it_is_and_ended(
    stack: str | None, told: str
) -> None:
    """Its runner is free again; the first goes on, and is not blamed."""
    tail = Tail(stall_s=90.0)
    second = tail.wait()
    for number in range(1, 13):
        tail.desk.tick(10.0)
        for peer, work in ((tail.quick, second), (tail.slow, tail.first)):
            cpu = 10.0 * number if peer == tail.slow else 1.0
            said = {"job": work.first, "running": 10.0 * number, "holds": (work.grant,)}
            beat = m.Beat(number=number, cpu=cpu, **said)  # type: ignore[arg-type]
            tail.desk.hear(peer, beat)
        if stack is not None and (asked := tail.desk.take(m.Examine)):
            assert asked == [m.Examine(job=second.first)]
            tail.desk.hear(tail.quick, m.Stack(job=second.first, text=stack))
    (ended,) = tail.desk.take(SpeculationEnded)
    assert ended.outcome == "failed"
    assert ended.text.endswith(told)
    assert second.grant in cancelled(tail.desk, tail.quick)
    assert tail.desk.take(JobFailed) == []
    assert tail.state is JobState.GRANTED


def crashed(work: m.Work) -> m.WorkerLost:
    return m.WorkerLost(
        number=7, grant=work.grant, job=work.first, status=1, signal=None
    )


def handed_back(work: m.Work) -> m.Returned:
    return m.Returned(number=7, grant=work.grant, first=work.first, count=1)


def saved(work: m.Work) -> m.Checkpoint:
    return m.Checkpoint(number=7, grant=work.grant, job=work.first, digest=b"saved")


def parted(work: m.Work) -> m.Goodbye:
    return m.Goodbye(number=7, reason="signal", signal=15, job=work.first)


def unknown(_: m.Work) -> m.Beat:
    return m.Beat(number=9, holds=(), echo=8)


@pytest.mark.parametrize(
    "say", [failed, crashed, handed_back, saved, parted, unknown],
    ids=lambda say: say.__name__,
)  # fmt: skip
def test_a_second_attempt_that_ends_badly_is_no_failure(say: Any) -> None:
    """The first goes on; and if that ends badly, the next has a number of its own."""
    tail = Tail(interval_s=2.0)
    work, desk = tail.wait(), tail.desk
    desk.hear(tail.slow, m.Beat(number=1, holds=(tail.first.grant,), job=work.first))
    desk.tick(4.0)
    desk.hear(tail.slow, m.Beat(number=2, holds=(tail.first.grant,), job=work.first))
    desk.tick(4.0)
    desk.hear(tail.slow, m.Beat(number=3, holds=(tail.first.grant,), job=work.first))
    if say is unknown:
        desk.tick(2.0)
    desk.asked.clear()
    desk.hear(tail.quick, say(work))
    assert tail.ends() == [("failed", 2)]
    assert not desk.take(JobFailed)
    assert not desk.take(i.Deliver)
    assert not desk.take(i.KeepContent)
    assert tail.state is JobState.GRANTED
    desk.hear(tail.slow, crashed(tail.first))
    (event,) = desk.take(JobFailed)
    assert not event.again
    assert event.verdict.earlier == ()


def test_a_further_attempt_has_a_number_of_its_own() -> None:
    """That of the second attempt, which failed, is taken."""
    tail = Tail(retry=lambda *_: Again())
    work, desk = tail.wait(), tail.desk
    desk.hear(tail.quick, failed(work))
    desk.hear(tail.slow, crashed(tail.first))
    assert [again.attempt for again in desk.work()] == [3]
    (event,) = desk.take(JobFailed)
    assert event.verdict.attempt == 1


def test_a_second_attempt_whose_runner_dies_is_no_failure() -> None:
    """However that dies: the first goes on, and nobody is asked to judge."""
    tail = Tail()
    tail.wait()
    tail.desk.tell(f.Disconnected(peer=tail.quick))
    tail.desk.tick(1.0)
    tail.desk.looked()
    tail.desk.tick()
    tail.desk.autopsy(NODE)
    assert tail.ends() == [("failed", 2)]
    assert not tail.desk.take(JobFailed)
    assert tail.state is JobState.GRANTED


def test_a_second_attempt_that_cannot_be_sent_is_none() -> None:
    """Its runner has no connection, and is looked into."""
    tail = Tail()
    work = tail.wait()
    tail.desk.tell(f.Unsent(grant=work.grant))
    assert tail.ends() == [("failed", 2)]
    tail.desk.tick(1.0)
    assert tail.desk.take(i.Look)
    tail.desk.tell(f.Unsent(grant=work.grant))
    assert tail.ends() == []


@pytest.mark.parametrize("arrived", [True, False])
def test_a_second_attempt_outlives_a_broken_connection(*, arrived: bool) -> None:
    """If it had arrived; else it was lost on the way, and is no more."""
    tail = Tail()
    work, desk = tail.wait(), tail.desk
    desk.tell(f.Disconnected(peer=tail.quick))
    holds = (work.grant,) if arrived else ()
    handle = tail.handles[1]
    desk.hello(handle, connection=2, holds=holds)
    assert tail.ends() == ([] if arrived else [("failed", 2)])
    assert cancelled(desk, tail.quick) == ([] if arrived else [work.grant])


def test_a_second_attempt_cannot_speak_of_other_jobs() -> None:
    """As little as any grant can."""
    tail = Tail()
    work = tail.wait()
    lie = m.Report(number=7, grant=work.grant, first=work.first + 1, count=1)
    with pytest.raises(Exception, match=r"that grant .* has not"):
        tail.desk.hear(tail.quick, lie)
    assert tail.desk.ledger.expects(
        tail.quick, m.Report(number=8, grant=work.grant, first=work.first, count=1)
    )
