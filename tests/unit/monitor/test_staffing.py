"""How many runners are asked for, and what comes of asking."""

import math

import pytest
from tests.unit.monitor.desk import (
    OTHER,
    PLAIN,
    Desk,
    die,
    returned,
)

from gridmap import backend as b
from gridmap.events import RunnerGone, RunnersRejected
from gridmap.lifecycle import RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.verdict import Cause


def test_one_submission_asks_for_all() -> None:
    """No more than there are jobs, and no more than there may be runners."""
    for jobs, limit, asked in [(3, 10, 3), (10, 3, 3), (1, 1, 1)]:
        desk = Desk(max_workers=limit)
        desk.add(jobs)
        (submission,) = desk.take(i.SubmitRunners)
        assert len(submission.runners) == asked


@pytest.mark.parametrize(("jobs", "share", "asked"), [(10, 3, 4), (9, 3, 3), (1, 5, 1)])
def test_shares_of_jobs_make_runners(jobs: int, share: int, asked: int) -> None:
    """With jobs_per_runner there are as many as the jobs need."""
    desk = Desk(max_workers=50, jobs_per_runner=share)
    desk.add(jobs)
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == asked


def test_a_runner_that_had_its_share_is_replaced() -> None:
    """And what it handed back does not count as its share."""
    desk = Desk(max_workers=1, jobs_per_runner=1)
    desk.add(2)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.hear(peer, returned(work, work.first))
    (work,) = desk.work()
    desk.report(peer, work)
    assert desk.take(m.Stop)
    assert len(desk.accept()) == 1


def test_jobs_that_come_one_by_one_are_waited_for() -> None:
    """Each submission is a burden on a cluster."""
    desk = Desk(max_workers=9)
    for _ in range(5):
        desk.add(1, final=False)
    assert not desk.take(i.SubmitRunners)
    wait_s = desk.ledger.wake_at - desk.now
    assert wait_s < 0.1, "no longer than that: nobody works yet"
    desk.tick(wait_s / 2)
    assert not desk.take(i.SubmitRunners)
    assert desk.ledger.wake_at == desk.now + wait_s / 2
    desk.tick(wait_s / 2)
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == 5
    desk.add(1, final=False)
    assert desk.ledger.wake_at == math.inf, "those that come later can wait for a tick"


def test_runners_nobody_waits_for_leave_the_queue() -> None:
    """And are asked for again when a job needs one after all."""
    desk = Desk(max_workers=2, resubmits=3)
    desk.add(2)
    one, two = desk.accept()
    peer = desk.hello(one)
    (work,) = desk.work()
    desk.report(peer, work)
    (work,) = desk.work()
    (kill,) = desk.take(i.KillRunners)
    assert kill.handles == {two}
    desk.tell(f.KillAnswered(results={two: b.Killed.KILLED}))
    die(desk, peer, None)
    assert len(desk.accept()) == 1


def test_a_rejection_for_now_is_tried_again_later() -> None:
    """With growing pauses, and for good in the end."""
    desk = Desk(max_workers=1)
    desk.add(1)
    pauses: list[float | None] = []
    while not desk.ledger.settled:
        desk.reject(transient=True)
        (told,) = desk.take(RunnersRejected)
        assert (told.count, told.reason) == (1, "no, said the scheduler")
        pauses.append(told.again_s)
        assert not desk.take(i.SubmitRunners)
        desk.tick(70.0)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0, None]
    assert not desk.take(RunnerGone)  # of what never was
    assert desk.verdicts() == {0: "rejected"}


def test_a_rejection_for_good_ends_what_waits() -> None:
    """With the scheduler's words."""
    desk = Desk(max_workers=1)
    desk.add(2)
    desk.reject(transient=False)
    told = desk.take(i.DeliverVerdict)
    assert [t.verdict.cause for t in told] == [Cause.REJECTED] * 2
    assert "no, said the scheduler" in told[0].verdict.explain()


def test_a_rejection_that_we_brought_about_is_mended() -> None:
    """Where every node is to be avoided, none is."""
    desk = Desk(max_workers=1)
    desk.add(1)
    desk.books.jobs.group(PLAIN).avoid = frozenset({"node1"})
    desk.reject(transient=False)
    desk.tick(1.0)
    assert not desk.verdicts()
    (submission,) = desk.take(i.SubmitRunners)
    assert not submission.avoid


def test_such_a_rejection_is_mended_while_others_work() -> None:
    """Else a map goes on with the runners that are left, fewer with each that dies."""
    desk = Desk(max_workers=2, query_s=60.0)
    desk.add(8)
    peer, _ = desk.start()
    desk.books.jobs.group(PLAIN).avoid = frozenset({"node1", "node2"})
    die(desk, peer, None)
    desk.reject(transient=False)
    (told,) = desk.take(RunnersRejected)
    assert told.again_s == 0.0
    desk.tick(1.0)
    (submission,) = desk.take(i.SubmitRunners)
    assert not submission.avoid
    desk.asked.append(submission)
    desk.reject(transient=False)  # so it was for another reason, which may pass
    (told,) = desk.take(RunnersRejected)
    assert told.again_s == 60.0


def test_idle_runners_go_when_their_group_has_ended() -> None:
    """They hold slots that another group may be waiting for."""
    desk = Desk(max_workers=2)
    desk.add(1)
    desk.add(1, OTHER)
    one, _ = desk.start()
    work, _ = desk.work()
    desk.report(one, work)
    desk.tick()
    assert len(desk.take(m.Stop)) == 1
    assert desk.crew(RunnerState.UP) == 1


def test_a_fresh_runner_gets_a_job_however_short_its_time() -> None:
    """The next one would have no more of it."""
    desk = Desk(max_workers=1)
    desk.add(2)
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=60.0)
    (work,) = desk.work()
    desk.now += 56.0
    desk.report(peer, work, seconds=56.0)
    assert not desk.work()
    assert desk.take(m.Stop)
    (handle,) = desk.accept()
    desk.hello(handle, remaining=60.0)
    assert len(desk.work()) == 1
