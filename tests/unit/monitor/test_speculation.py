"""Jobs that hold up the others are begun a second time: when, and for how long."""

from typing import Any

import pytest
from tests.unit.monitor.desk import OTHER, PLAIN, Desk
from tests.unit.monitor.resumed import Journaled, Resumed
from tests.unit.monitor.tail import Tail, cancelled, failed

from gridmap import backend as b
from gridmap.events import (
    JobsGranted,
    JobSpeculated,
)
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m

# When ---------------------------------------------------------------------------------


def test_the_last_job_is_begun_once_more_elsewhere() -> None:
    """Under the next number, in a grant of its own; and no third time."""
    tail = Tail()
    work = tail.wait()
    assert (work.first, work.count, work.attempt) == (tail.first.first, 1, 2)
    assert work.grant > tail.first.grant
    (told,) = tail.desk.take(JobSpeculated)
    assert told.job == work.first
    assert told.runner != told.first
    assert told.ran_s > told.patience_s
    assert tail.state is JobState.GRANTED
    tail.desk.tick(20.0)
    assert not tail.desk.work()
    assert not tail.desk.take(JobsGranted)


@pytest.mark.parametrize("policy", [{"speculate": False}, {}], ids=["off", "default"])
def test_nothing_runs_twice_unless_it_may(policy: dict[str, Any]) -> None:
    """Functions have side effects: it is their user who knows."""
    desk = Desk(max_workers=2, **policy)
    tail = Tail(desk)
    desk.tick(20.0)
    assert not desk.work()
    assert tail.state is JobState.GRANTED


def test_none_is_begun_again_while_others_wait() -> None:
    """And none before the others took long enough to compare with."""
    desk = Desk(max_workers=2, speculate=True)
    desk.add(4)
    _, two = desk.start()
    works = desk.work()
    desk.report(two, works[1])
    desk.tick(20.0)
    assert [work.attempt for work in desk.work()] == [1]


def test_another_node_is_preferred() -> None:
    """The slow one may be slow for all."""
    desk = Desk(max_workers=3, speculate=True)
    desk.add(8)
    one, two, three = desk.accept()
    slow = desk.hello(one, node="bad")
    near, far = desk.hello(two, node="bad"), desk.hello(three, node="good")
    first, *works = desk.work()
    peers = [near, far]
    while works:
        for peer, work in zip(peers, works, strict=False):
            desk.report(peer, work)
        works = desk.work()
    desk.tick(4.0)
    (send,) = desk.take(i.SendWork)
    assert (send.peer, send.work.first) == (far, first.first)
    assert slow != send.peer


def test_an_idle_runner_is_kept_for_it() -> None:
    """As long as a job may turn out to hold up the map; and no longer than that."""
    tail = Tail(interval_s=1000.0, silence_s=3000.0)
    tail.desk.books.jobs.group(PLAIN).durations.add(3600.0, 6)
    tail.desk.tick(100.0)
    assert not tail.desk.take(m.Stop)
    holds, job = (tail.first.grant,), tail.first.first
    tail.desk.hear(tail.slow, m.Beat(number=1, holds=holds, job=job, running=899.0))
    work = tail.wait(2.0)
    tail.desk.hear(tail.quick, failed(work))
    tail.desk.tick(31.0)
    assert tail.desk.take(m.Stop) == [m.Stop(now=False)]


def test_a_runner_is_asked_for_where_none_is_left() -> None:
    """One, not more; and it is not taken out of the queue again before it comes."""
    tail = Tail(jobs_per_runner=3, runners=3)
    desk = tail.desk
    desk.tick(4.0)
    assert not desk.work()
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == 1
    answers = {submission.runners[0]: b.Handle("9")}
    desk.tell(f.Submitted(answers=answers))
    desk.tick(20.0)
    assert not desk.take(i.KillRunners)
    assert not desk.take(i.SubmitRunners)
    peer = desk.hello(b.Handle("9"))
    work = tail.wait(1.0)
    desk.report(peer, work)
    assert tail.ends() == [("won", 2)]


def test_none_is_asked_for_against_a_limit_or_a_person() -> None:
    """Nor again and again, where the scheduler takes none."""
    desk = Desk(max_workers=1, speculate=True)
    desk.add(7)
    (peer,) = desk.start()
    while desk.books.jobs.open > 1:
        desk.report(peer, desk.work()[0])
    desk.take(i.SubmitRunners)
    desk.tick(30.0)
    assert not desk.take(i.SubmitRunners)
    tail = Tail(jobs_per_runner=3, runners=3)
    tail.desk.tick(4.0)
    tail.desk.reject(transient=False)
    tail.desk.tick(30.0)
    assert not tail.desk.take(i.SubmitRunners)
    assert tail.state is JobState.GRANTED


def test_it_makes_room_for_jobs_that_lack_a_runner() -> None:
    """Others of the run, that need something else, and that have waited for long."""
    tail = Tail(interval_s=1000.0, silence_s=3000.0)
    work, desk = tail.wait(), tail.desk
    desk.add(1, OTHER)
    desk.tick(70.0)
    assert tail.ends() == [("dropped", 2)]
    assert work.grant in cancelled(desk, tail.quick)


# What comes before it -----------------------------------------------------------------


def test_a_job_that_waits_comes_first() -> None:
    """The runner is taken off the second attempt, and given that job."""
    desk = Desk(max_workers=2, speculate=True)
    tail = Tail(desk)
    work = tail.wait()
    desk.add(1)
    assert tail.ends() == [("dropped", 2)]
    assert cancelled(desk, tail.quick) == [work.grant]
    desk.tick()
    (other,) = desk.work()
    assert other.first == 7
    assert tail.state is JobState.GRANTED


@pytest.mark.parametrize("end", ["cancel", "kill", "close", "close by force"])
def test_the_user_ends_both(end: str) -> None:
    """Whatever he does, neither runner goes on with the job."""
    tail = Tail()
    work, desk = tail.wait(), tail.desk
    facts: dict[str, f.Fact] = {
        "cancel": f.JobsCancelled(first=work.first, stop=work.first + 1),
        "kill": f.JobsKilled(first=work.first, stop=work.first + 1, by="gridmap kill"),
        "close": f.Closed(kill=False),
        "close by force": f.Closed(kill=True),
    }
    desk.tell(facts[end])
    assert tail.ends() == [("dropped", 2)]
    assert cancelled(desk, tail.quick) == [work.grant]
    desk.report(tail.quick, work)
    assert not desk.take(i.Deliver)
    assert (tail.state is JobState.GRANTED) == (end == "close")


# Resuming -----------------------------------------------------------------------------


def test_a_resumed_run_knows_no_second_attempts() -> None:
    """Whoever runs one is told to end it, and its number is not used again."""
    desk = Journaled(speculate=True, max_workers=2)
    tail = Tail(desk)
    work = tail.wait()
    later = Resumed(desk.journal, speculate=True, max_workers=2)
    later.hello(tail.handles[0], holds=(tail.first.grant,))
    peer = later.hello(tail.handles[1], holds=(work.grant,))
    assert cancelled(later, peer) == [work.grant]
    later.report(peer, work)
    assert not later.take(i.Deliver)
    later.add(1)
    (other,) = later.work()
    assert other.grant > work.grant
    later.report(tail.slow, tail.first)
    assert [d.first for d in later.take(i.Deliver)] == [work.first]


def test_a_resumed_run_goes_on_with_what_took_over() -> None:
    """It is the job's attempt, like any other; and the next has the next number."""
    desk = Journaled(speculate=True, max_workers=2, resubmits=3)
    tail = Tail(desk)
    work = tail.wait()
    back = m.Returned(number=9, grant=tail.first.grant, first=work.first, count=1)
    desk.hear(tail.slow, back)
    later = Resumed(desk.journal, speculate=True, max_workers=2)
    peer = later.hello(tail.handles[1], holds=(work.grant,))
    assert cancelled(later, peer) == []
    lost = m.Returned(number=9, grant=work.grant, first=work.first, count=1)
    later.hear(peer, lost)
    (again,) = later.work()
    assert again.attempt == 2
    later.report(peer, again)
    assert [d.first for d in later.take(i.Deliver)] == [work.first]
