"""Silence that has a reason, and ends that take for ever."""

import pytest
from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.lifecycle import RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m

SUSPENDED = b.SeenState.SUSPENDED
ENDING = b.SeenState.ENDING
RUNNING = b.SeenState.RUNNING


def beat(desk: Desk, peer: bytes, number: int) -> None:
    """Let a runner beat that uses no processor time."""
    desk.hear(peer, m.Beat(number=number, holds=(1,), job=0))


def answering(desk: Desk, seconds: float, state: b.SeenState) -> int:
    """Let time pass, and answer each question alike; return how many there were."""
    asked = 0
    for _ in range(round(seconds)):
        desk.tick(1.0)
        if any(isinstance(one, i.Look) for one in desk.asked):
            asked += 1
            desk.looked(h1=state)
    return asked


def test_a_suspended_runner_is_not_given_up() -> None:
    """However long; and it is alive as soon as it is resumed and beats."""
    desk = Desk(stall_s=120.0)
    desk.add(1)
    (peer,) = desk.start()
    beat(desk, peer, 1)
    questions = answering(desk, 1000, SUSPENDED)
    assert desk.crew(RunnerState.SUSPECT) == 1
    assert not desk.take(i.KillRunners)
    assert not desk.verdicts()
    assert questions <= 1000 / 45 + 10
    beat(desk, peer, 2)
    assert desk.crew(RunnerState.UP) == 1


def test_a_suspended_runner_that_is_silent_after_it_was_resumed_is_given_up() -> None:
    """From when it was last seen suspended, silence counts."""
    desk = Desk(resubmits=0)
    desk.add(1)
    desk.start()
    answering(desk, 300, SUSPENDED)
    answering(desk, 140, RUNNING)
    assert desk.verdicts() == {0: "lost"}


def test_time_in_which_a_runner_could_not_speak_is_no_stall() -> None:
    """Suspended for an hour, its job did nothing; resumed, it has its full time."""
    desk = Desk(stall_s=60.0, resubmits=0)
    desk.add(1)
    (peer,) = desk.start()
    beat(desk, peer, 1)
    beat(desk, peer, 2)
    answering(desk, 3600, SUSPENDED)
    for number in range(3, 9):
        desk.tick(9.0)
        beat(desk, peer, number)
    assert not desk.verdicts()
    for number in range(9, 12):
        desk.tick(9.0)
        beat(desk, peer, number)
    assert desk.verdicts() == {0: "stalled"}


def given_up(desk: Desk) -> None:
    """Bring the only runner to be killed for its silence."""
    desk.add(1)
    desk.start()
    desk.tick(100.0)
    for asked in desk.take(i.ResubmitRunner):
        desk.tell(f.ResubmitAnswered(runner=asked.runner, answer=None))
    (kill,) = desk.take(i.KillRunners)
    answered = dict.fromkeys(kill.handles, b.Killed.KILLED)
    desk.tell(f.KillAnswered(results=answered))


def test_a_runner_that_does_not_end_is_asked_about_less_and_less() -> None:
    """On a node that is gone it never ends: no query every other second for that."""
    desk = Desk(query_s=60.0)
    given_up(desk)
    desk.accept()
    asked = answering(desk, 1200, ENDING)
    assert asked <= 1200 / 60 + 12
    assert not desk.take(i.KillRunners)  # the scheduler knows what it has to do


def test_runners_that_fall_silent_together_are_replaced_together() -> None:
    """The node had many: one submission for them all."""
    desk = Desk()
    desk.add(8)
    desk.start()
    desk.tick(100.0)
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == 8


def test_a_kill_that_came_to_nothing_is_said_again() -> None:
    """As long as the scheduler shows the runner as if nothing had been."""
    desk = Desk()
    given_up(desk)
    answering(desk, 60, RUNNING)
    assert desk.take(i.KillRunners)


@pytest.mark.parametrize("state", [ENDING, RUNNING])
@pytest.mark.parametrize("requeue", [True, False])
@pytest.mark.parametrize("last_words", [True, False])
def test_a_run_that_is_over_waits_for_no_dead_node(
    state: b.SeenState, *, requeue: bool, last_words: bool
) -> None:
    """Only until the scheduler has taken over the task of ending its runner."""
    desk = Desk(b.Capabilities(requeue=requeue), max_workers=1)
    given_up(desk)
    if last_words:  # it was only stopped, and ended as soon as it went on
        desk.hear(b"n1", m.Beat(number=5, holds=()))
        desk.tell(f.Disconnected(peer=b"n1"))
    (peer,) = desk.start()
    (work,) = desk.work()[-1:]
    desk.report(peer, work)
    desk.tell(f.Closed(kill=False))
    desk.hear(peer, m.Goodbye(number=9, reason="stopped"))
    answering(desk, 10, state)
    assert desk.ledger.closed == (state is ENDING)


def test_a_lost_node_is_remembered_when_its_runner_is_queued_again() -> None:
    """As Slurm does with jobs of nodes that are gone: this was no preemption."""
    desk = Desk(resubmits=0)
    desk.add(1)
    desk.start()
    answering(desk, 60, b.SeenState.UNREACHABLE)
    answering(desk, 20, b.SeenState.QUEUED)
    assert desk.verdicts() == {0: "node lost"}


def test_a_node_that_came_back_is_not_blamed_later() -> None:
    """Its runner spoke again, and was preempted an hour later."""
    desk = Desk(resubmits=0)
    desk.add(1)
    (peer,) = desk.start()
    answering(desk, 60, b.SeenState.UNREACHABLE)
    beat(desk, peer, 1)
    answering(desk, 80, b.SeenState.QUEUED)
    assert desk.verdicts() == {0: "preempted"}
