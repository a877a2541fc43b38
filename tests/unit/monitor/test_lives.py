"""Runners that are started again, and what the scheduler shows of which life."""

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.events import JobFailed, RunnerUp
from gridmap.lifecycle import RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.verdict import Cause


def test_a_start_in_place_ends_the_attempt_of_the_life_before() -> None:
    """A new nonce under an old handle: what that life ran was preempted."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle, "one")
    desk.work()
    desk.tell(f.Disconnected(peer=peer))
    desk.hello(handle, "two")
    (work,) = desk.work()
    assert work.attempt == 2
    assert desk.books.jobs.histories[0][0].cause is Cause.PREEMPTED
    desk.take(m.Refuse)
    desk.hello(handle, "one")
    assert "started again" in desk.take(m.Refuse)[0].text


def test_a_runner_back_in_the_queue_is_waited_for() -> None:
    """The scheduler shows that it ended its process and will start it again."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle, "one")
    desk.work()
    desk.tell(f.Disconnected(peer=peer), 35.0)
    desk.tick(1.0)
    desk.looked(h1=b.SeenState.QUEUED)
    assert desk.runner(handle).state is RunnerState.QUEUED
    desk.tick(200.0)
    assert not desk.take(i.KillRunners)
    desk.hello(handle, "two")
    (work,) = desk.work()
    assert work.attempt == 2


def test_a_new_life_is_let_in_once_though_the_old_one_was_given_up_meanwhile() -> None:
    """Let in again and again, it would seem to have just been heard for ever."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    old = desk.hello(handle, "one")
    (work,) = desk.work()
    desk.tick(32.0)
    desk.hear(old, m.Beat(number=1, holds=(work.grant,), job=0))
    desk.tick(20.0)
    new = desk.hello(handle, "two")  # waits: the old one may still speak
    desk.tick(5.5)
    desk.looked(h1=b.SeenState.QUEUED)  # it is silent for too long by now
    assert desk.runner(handle).state is RunnerState.QUEUED
    desk.take(RunnerUp)
    desk.tick(20.0)
    assert len(desk.take(RunnerUp)) == 1
    assert desk.runner(handle).peer == new
    assert desk.books.now - desk.runner(handle).heard > 15.0


def test_what_the_scheduler_showed_before_a_start_is_no_requeue() -> None:
    """It lags behind: a runner that came just now is not back in the queue."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    (work,) = desk.work()
    desk.tell(f.Disconnected(peer=peer), 5.0)
    desk.tick(1.0)
    desk.looked(h1=b.SeenState.QUEUED)
    assert not desk.take(JobFailed)
    desk.hello(handle, holds=(work.grant,))
    desk.report(peer, work)
    assert desk.take(i.Deliver)


def test_a_second_greeting_on_one_connection_takes_nothing_back() -> None:
    """A runner that was not answered greets again; by then it has long been given work."""
    desk = Desk(max_workers=1)
    desk.add(2)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    (first,) = desk.work()
    desk.report(peer, first)
    (second,) = desk.work()
    desk.hello(handle, holds=(first.grant,))
    assert desk.work() == []
    assert not desk.take(m.Cancel)
    desk.hello(handle, holds=(), connection=2)
    (again,) = desk.work()
    assert again.first == second.first


def test_who_says_hello_until_he_is_answered_came_up_once() -> None:
    """A driver that stood still finds a greeting for each heartbeat it missed."""
    desk = Desk(max_workers=1)
    desk.add(2)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    assert len(desk.take(RunnerUp)) == 1
    for _ in range(3):
        desk.take(m.Welcome)
        desk.hello(handle)
        assert len(desk.take(m.Welcome)) == 1
    assert not desk.take(RunnerUp)
    desk.tell(f.Disconnected(peer=peer))
    desk.hello(handle)
    assert len(desk.take(RunnerUp)) == 1  # it was in doubt


def test_runners_that_end_one_by_one_are_replaced_together() -> None:
    """While the scheduler is busy with one submission, the next one gathers."""
    desk = Desk(max_workers=4, jobs_per_runner=1)
    desk.add(12)
    peers = desk.start()
    for peer, work in zip(peers, desk.work(), strict=True):
        desk.report(peer, work)
        desk.hear(peer, m.Goodbye(number=2, reason="stopped"))
    (first,) = desk.take(i.SubmitRunners)
    assert len(first.runners) == 1
    desk.asked.append(first)
    desk.accept()
    (rest,) = desk.take(i.SubmitRunners)
    assert len(rest.runners) == 3


def test_a_verdict_is_safe_before_its_message_is_acknowledged() -> None:
    """A driver that dies between the two would have the job run once more."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    lost = m.WorkerLost(number=1, grant=work.grant, job=0, status=3, signal=None)
    asked = desk.hear(peer, lost)
    kinds = [type(getattr(x, "message", x)) for x in asked]
    assert kinds.index(i.DeliverVerdict) < kinds.index(m.Ack)


def test_nobody_asks_accounting_about_a_runner_that_is_gone() -> None:
    """It was told to be killed while accounting was still to be asked again."""
    desk = Desk(b.Capabilities(accounting=True), max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    desk.tick(3.0)
    desk.looked()
    desk.tick(0.5)
    (autopsy,) = desk.take(i.HoldAutopsy)
    desk.tell(f.Autopsied(asked=autopsy.handles, findings={}, tails={}))
    desk.tell(f.Closed(kill=True))
    desk.tell(f.KillAnswered(results={handle: b.Killed.GONE}))
    desk.tick(10.0)
    assert not desk.take(i.HoldAutopsy)


def test_an_answer_about_an_earlier_state_is_not_believed() -> None:
    """Asked while it was silent, answered after it had been started again."""
    desk = Desk(b.Capabilities(requeue=True), max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    desk.tell(f.Disconnected(peer=peer))
    desk.tick()
    (look,) = desk.take(i.Look)
    desk.tick(95.0)
    (again,) = desk.take(i.ResubmitRunner)
    answer = b.Resubmitted(handle=handle, in_place=True)
    desk.tell(f.ResubmitAnswered(runner=again.runner, answer=answer))
    ended = b.Observed(seen={handle: b.Seen(state=b.SeenState.ENDED)})
    desk.tell(f.Looked(asked=look.handles, observation=ended, at=0.0))
    assert desk.runner(handle).state is RunnerState.QUEUED
    assert not desk.runner(handle).over


def test_a_restart_loses_neither_jobs_nor_the_new_handle() -> None:
    """The runner came back before the answer, and had work by then."""
    desk = Desk(b.Capabilities(requeue=True), max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    desk.work()
    desk.tick(95.0)
    (again,) = desk.take(i.ResubmitRunner)
    desk.hear(peer, m.Beat(number=9, holds=()))
    assert len(desk.work()) == 1
    new = b.Handle("50")
    answer = b.Resubmitted(handle=new, in_place=False)
    desk.tell(f.ResubmitAnswered(runner=again.runner, answer=answer))
    assert desk.runner(new).state is RunnerState.QUEUED
    desk.hello(new, "other")
    assert len(desk.work()) == 1
