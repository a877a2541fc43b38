"""Runners that are waited for, until they work or there is no hope of it."""

import pytest
from tests.unit.monitor.desk import PLAIN, Desk

from gridmap import backend as b
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Verdict


def shown(desk: Desk, state: b.SeenState, seconds: float) -> Verdict | None:
    """Let the scheduler show all runners so for a time; return the verdict, if one came."""
    end = desk.now + seconds
    while desk.now < end:
        desk.accept()
        desk.tick(1.0)
        for kill in desk.take(i.KillRunners):
            results = dict.fromkeys(kill.handles, b.Killed.KILLED)
            desk.tell(f.KillAnswered(results=results))
        for look in desk.take(i.Look):
            seen = b.Seen(state=state, reason="the scheduler's reason", node="node7")
            observed = b.Observed(seen=dict.fromkeys(look.handles, seen))
            told = f.Looked(asked=look.handles, observation=observed, at=desk.now)
            desk.tell(told)
        for told_user in desk.take(i.DeliverVerdict):
            return told_user.verdict
    return None


def test_a_runner_that_runs_and_says_nothing_cannot_reach_us() -> None:
    """Others are tried as often as a job is; then the verdict says what to look at."""
    desk = Desk(max_workers=1, resubmits=2, connect_s=20.0)
    desk.add(1)
    verdict = shown(desk, b.SeenState.RUNNING, 300.0)
    assert verdict is not None
    assert verdict.cause is Cause.NEVER_STARTED
    assert "can that node reach the address of this machine" in verdict.explain()
    assert desk.handles == 3
    assert desk.now > 3 * 20.0


def test_a_runner_that_cannot_start_is_not_waited_for() -> None:
    """The scheduler says that it never will."""
    desk = Desk(max_workers=1, resubmits=0)
    desk.add(1)
    verdict = shown(desk, b.SeenState.BLOCKED, 30.0)
    assert verdict is not None
    assert verdict.cause is Cause.NEVER_STARTED
    assert "cannot start it: the scheduler's reason" in verdict.explain()


@pytest.mark.parametrize("timeout_s", [None, 40.0])
def test_who_waits_in_the_queue_waits_as_long_as_the_user_does(
    timeout_s: float | None,
) -> None:
    """And is not asked for again after that, however often jobs are tried."""
    desk = Desk(max_workers=1, resubmits=5, start_timeout_s=timeout_s)
    desk.add(1)
    verdict = shown(desk, b.SeenState.QUEUED, 300.0)
    assert (verdict is not None) is (timeout_s is not None)
    assert desk.handles == 1


def test_a_node_on_which_a_runner_failed_is_avoided() -> None:
    """One that says hello and cannot work."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    desk.hear(peer, m.Goodbye(number=1, reason="broken", text="no memory"))
    desk.tick(5.0)
    (submission,) = desk.take(i.SubmitRunners)
    assert submission.avoid == {"node1"}


def test_a_worker_that_dies_after_hello_is_a_failed_start() -> None:
    """However often runners say hello: when none ever works, it is over."""
    desk = Desk(max_workers=1, resubmits=3)
    desk.add(2)
    for _ in range(20):
        desk.tick(31.0)
        for peer in desk.start():
            desk.hear(peer, m.Goodbye(number=1, reason="broken", text="no memory"))
        if desk.ledger.settled:
            break
    assert desk.verdicts() == dict.fromkeys((0, 1), "environment broken")


def test_failures_without_end_do_not_break_the_arithmetic() -> None:
    """One node of many is broken for years while others work."""
    desk = Desk(max_workers=2)
    desk.add(9)
    for _ in range(1100):
        desk.books.jobs.group(PLAIN).start_failures += 1
    desk.start()
    peer = desk.hello(b.Handle("2"))
    desk.hear(peer, m.Goodbye(number=1, reason="broken"))
    assert desk.books.jobs.group(PLAIN).hire_at < desk.now + 60.0


def test_waiting_for_nodes_that_are_avoided_has_an_end() -> None:
    """It may be that there is no other."""
    desk = Desk(max_workers=1)
    desk.books.jobs.group(PLAIN).avoid = frozenset({"node1"})
    desk.add(1)
    (handle,) = desk.accept()
    for _ in range(40):
        desk.tick(10.0)
        if desk.take(i.Look):
            seen = {handle: b.Seen(state=b.SeenState.QUEUED)}
            observed = b.Observed(seen=seen)
            asked = frozenset({handle})
            desk.tell(f.Looked(asked=asked, observation=observed, at=desk.now))
        if desk.take(i.KillRunners):
            break
    desk.tell(f.KillAnswered(results={handle: b.Killed.KILLED}))
    desk.tick(1.0)
    (submission,) = desk.take(i.SubmitRunners)
    assert not submission.avoid
