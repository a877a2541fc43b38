"""When the ledger asks the scheduler, and whose answers it believes."""

import itertools

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m

WAITS = b.Seen(state=b.SeenState.QUEUED)


def full_cluster(up: int = 8, queued: int = 92) -> tuple[Desk, list[bytes]]:
    """Return a run of which *up* runners work and the others wait."""
    desk = Desk(max_workers=up + queued)
    desk.add(5000)
    handles = desk.accept()
    return desk, [desk.hello(handle) for handle in handles[:up]]


def still_waiting(desk: Desk, look: i.Look, at: float | None = None) -> None:
    """Answer that all asked about wait in the queue."""
    observed = b.Observed(seen=dict.fromkeys(look.handles, WAITS))
    when = desk.now if at is None else at
    desk.tell(f.Looked(asked=look.handles, observation=observed, at=when))


def looks_within(desk: Desk, peers: list[bytes], seconds: int) -> list[float]:
    """Let time pass on a healthy cluster; return when the scheduler was asked."""
    times = []
    for _ in range(seconds):
        desk.tick(1.0)
        for peer in peers:  # they beat, as good runners do
            desk.books.fleet.by_peer[peer].heard = desk.now
        for look in desk.take(i.Look):
            times.append(desk.now)
            still_waiting(desk, look)
    return times


def test_a_healthy_run_with_a_long_queue_asks_once_a_minute() -> None:
    """Once soon after the start, then never twice within a minute."""
    times = looks_within(*full_cluster(), 600)
    assert times[0] == 3.0
    assert all(after - before >= 60 for before, after in itertools.pairwise(times))
    assert len(times) <= 11


def test_while_nobody_works_the_user_is_told_why() -> None:
    """Then the scheduler is asked soon, and pauses double up to the interval."""
    desk, _ = full_cluster(up=0)
    times = looks_within(desk, [], 300)
    assert times[:5] == [3.0, 9.0, 21.0, 45.0, 93.0]
    assert all(after - before <= 61 for before, after in itertools.pairwise(times))


def test_new_runners_do_not_start_the_questions_again() -> None:
    """Where every job has a runner of its own, new ones come all the time."""
    desk = Desk(max_workers=20, jobs_per_runner=1)
    desk.add(400)
    waiting = desk.accept()
    working = [(desk.hello(handle), desk.work()[-1]) for handle in waiting[:4]]
    waiting, asked = waiting[4:], 0
    for _ in range(120):
        desk.tick(1.0)
        peer, work = working.pop(0)
        desk.report(peer, work)
        desk.hear(peer, m.Goodbye(number=2, reason="stopped", text="as it was told"))
        desk.tell(f.Disconnected(peer=peer))
        waiting += desk.accept()
        working.append((desk.hello(waiting.pop(0)), desk.work()[-1]))
        for other, _ in working:
            desk.books.fleet.by_peer[other].heard = desk.now
        for look in desk.take(i.Look):
            asked += 1
            still_waiting(desk, look)
    assert len(waiting) == 16
    assert desk.jobs - desk.books.jobs.open == 120
    assert asked <= 3


def test_a_broken_connection_is_looked_into_at_once() -> None:
    """However short ago the last question was, and whoever waits besides."""
    desk, peers = full_cluster()
    desk.tick(4.0)
    (look,) = desk.take(i.Look)
    still_waiting(desk, look)
    desk.tell(f.Disconnected(peer=peers[0]), 1.0)
    desk.tick()
    (look,) = desk.take(i.Look)
    assert look.since == desk.now
    assert not look.kill_check


def test_an_answer_older_than_the_doubt_is_no_news() -> None:
    """It showed the runner alive, before its connection broke."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    desk.tell(f.Disconnected(peer=peer), 10.0)
    desk.tick()
    (look,) = desk.take(i.Look)
    gone = b.Observed(seen={}, absent=look.handles)
    desk.tell(f.Looked(asked=look.handles, observation=gone, at=9.9))
    assert not desk.runner(handle).over
    desk.tick()
    (look,) = desk.take(i.Look)
    desk.tell(f.Looked(asked=look.handles, observation=gone, at=10.0))
    assert desk.runner(handle).over


def test_an_answer_another_run_got_is_news_if_it_is_young_enough() -> None:
    """What was asked for after the last answer will do; the next has to be younger."""
    desk, _ = full_cluster(up=0, queued=2)
    desk.tick(3.0)
    (look,) = desk.take(i.Look)
    assert look.since == 0.0
    still_waiting(desk, look, at=2.0)
    desk.tick(6.0)
    (look,) = desk.take(i.Look)
    assert look.since == 2.0


def test_a_runner_just_accepted_may_be_missing_in_an_answer_from_then() -> None:
    """However late that answer comes: what counts is when it was asked for."""
    desk, _ = full_cluster(up=0, queued=1)
    (runner,) = desk.books.fleet
    desk.tick(5.0)
    (look,) = desk.take(i.Look)
    absent = b.Observed(seen={}, absent=look.handles)
    desk.tell(f.Looked(asked=look.handles, observation=absent, at=1.0))
    assert not runner.over


def test_a_question_put_off_is_put_when_it_was_told_to() -> None:
    """Neither sooner nor later, and nothing else changes."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    desk.tell(f.Disconnected(peer=desk.hello(handle)))
    desk.tick()
    (look,) = desk.take(i.Look)
    said = b.NotAsked(text="the budget is spent")
    desk.tell(f.Looked(asked=look.handles, observation=said, at=desk.now, wait_s=20.0))
    peer_heard = desk.runner(handle)
    peer_heard.heard = desk.now
    desk.tick(19.0)
    assert not desk.take(i.Look)
    desk.tick(1.5)
    assert desk.take(i.Look)


def test_an_autopsy_put_off_is_none() -> None:
    """It does not count as one of those after which the ledger does without."""
    desk = Desk(b.Capabilities(accounting=True), max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    desk.tell(f.Disconnected(peer=desk.hello(handle)))
    desk.tick()
    desk.looked()
    for _ in range(7):
        desk.tick()
        (autopsy,) = desk.take(i.HoldAutopsy)
        desk.tell(f.Autopsied(asked=autopsy.handles, findings={}, tails={}, wait_s=5.0))
        desk.tick(4.0)
        assert not desk.take(i.HoldAutopsy)
        desk.tick(1.0)
    assert desk.runner(handle).autopsies == 0


def test_to_see_killed_runners_gone_is_not_put_off() -> None:
    """The question says what it is for."""
    desk, peers = full_cluster(up=1, queued=0)
    desk.tell(f.Closed(kill=True))
    (kill,) = desk.take(i.KillRunners)
    desk.tell(f.KillAnswered(results=dict.fromkeys(kill.handles, b.Killed.KILLED)))
    desk.tick(0.3)
    (look,) = desk.take(i.Look)
    assert look.kill_check
    assert peers


def test_many_that_do_not_end_are_killed_with_one_request() -> None:
    """They were told to end, and the scheduler shows them running for too long."""
    desk, peers = full_cluster(up=50, queued=0)
    desk.tell(f.Closed(kill=False))
    desk.tick(60.0)
    look = desk.take(i.Look)[-1]
    runs = b.Seen(state=b.SeenState.RUNNING)
    seen = b.Observed(seen=dict.fromkeys(look.handles, runs))
    assert not desk.take(i.KillRunners)
    desk.tell(f.Looked(asked=look.handles, observation=seen, at=desk.now))
    (kill,) = desk.take(i.KillRunners)
    assert len(kill.handles) == len(peers)


def test_many_that_fall_silent_are_killed_with_one_request() -> None:
    """A switch that fails shall not cost the scheduler a request for each runner."""
    desk, peers = full_cluster(up=50, queued=0)
    desk.tick(200.0)
    (kill,) = desk.take(i.KillRunners)
    assert len(kill.handles) == len(peers)
