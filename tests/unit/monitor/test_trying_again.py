"""What a ledger does with users' rules."""

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.events import JobFailed
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.resources import Resources
from gridmap.retry import Again, Escalate, GiveUp, Retry
from gridmap.verdict import Cause, Verdict

GIB = 2**30
SMALL = Resources(memory="1G")


def die(desk: Desk, peer: bytes, finding: b.Autopsy, *, after_s: float = 3.0) -> None:
    """Let a runner vanish and be looked into to the end."""
    desk.tell(f.Disconnected(peer=peer), after_s)
    desk.tick()
    desk.looked()
    desk.tick()
    desk.autopsy(finding)


def out_of_memory(desk: Desk, peer: bytes, work: m.Work, number: int = 1) -> None:
    """Let the kernel end the worker in the first job of a grant."""
    desk.hear(
        peer,
        m.WorkerLost(
            number=number,
            grant=work.grant,
            job=work.first,
            status=None,
            signal=9,
            peak=GIB,
            out_of_memory=True,
            seconds=3.0,
        ),
    )


def raised(desk: Desk, peer: bytes, work: m.Work, *classes: str) -> None:
    """Let the first job of a grant raise an exception."""
    failure = m.Failure(offset=0, kind=m.Kind.RAISED, classes=classes, text="so")
    desk.hear(
        peer,
        m.Report(
            number=1, grant=work.grant, first=work.first, count=1, failures=(failure,)
        ),
    )


def test_more_memory_means_another_runner() -> None:
    """Asked for at once; the old one is let go when nobody needs it."""
    desk = Desk(rules=(Escalate(memory=["4G"]),))
    desk.add(1, SMALL)
    (peer,) = desk.start()
    (work,) = desk.work()
    out_of_memory(desk, peer, work)
    (failed,) = desk.take(JobFailed)
    assert failed.again
    assert failed.resources == Resources(memory="4G", memory_limit="4G")
    assert failed.verdict.ran_s == 3.0
    desk.tick(0.5)
    (submission,) = desk.take(i.SubmitRunners)
    assert submission.resources == failed.resources
    handle = b.Handle("9")
    desk.tell(f.Submitted(answers={submission.runners[0]: handle}))
    larger = desk.hello(handle)
    (again,) = desk.work()
    assert (again.first, again.attempt) == (0, 2)
    out_of_memory(desk, larger, again)
    (last,) = desk.take(JobFailed)
    assert not last.again
    assert [v.asked_memory for v in last.verdict.earlier] == [GIB]
    assert last.verdict.asked_memory == 4 * GIB


def test_with_one_runner_allowed_it_makes_room() -> None:
    """An idle runner goes for the one with more."""
    desk = Desk(rules=(Escalate(memory=["4G"]),), max_workers=1)
    desk.add(1, SMALL)
    (peer,) = desk.start()
    (work,) = desk.work()
    out_of_memory(desk, peer, work)
    desk.tick(1.0)
    assert len(desk.take(m.Stop)) == 1
    desk.hear(peer, m.Goodbye(number=2, reason="stopped"))
    desk.tick(1.0)
    assert len(desk.take(i.SubmitRunners)) == 1


def test_a_pause_is_waited_for() -> None:
    """The job is nobody's until then."""
    desk = Desk(rules=(Retry(on="OSError", times=1, delay=10),))
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    raised(desk, peer, work, "ConnectionError", "OSError")
    (failed,) = desk.take(JobFailed)
    assert 7.5 < failed.delay_s <= 10
    desk.tick(7.0)
    assert desk.work() == []
    desk.tick(4.0)
    (again,) = desk.work()
    assert again.attempt == 2


def test_the_hook_comes_before_the_users_rules() -> None:
    """And guilty nodes are left out, whoever decides."""
    asked: list[Verdict] = []

    def hook(failure: Verdict, *_: object) -> GiveUp | None:
        asked.append(failure)
        return None if len(asked) == 1 else GiveUp()

    desk = Desk(rules=(Retry(on="ValueError", times=9),), retry=hook)
    desk.add(1)
    (peer,) = desk.start()
    for again in (True, False):
        (work,) = desk.work()
        raised(desk, peer, work, "ValueError")
        (failed,) = desk.take(JobFailed)
        assert failed.again is again
    assert [verdict.raised for verdict in asked] == [("ValueError",)] * 2


def test_guilty_nodes_are_left_out_whoever_decides() -> None:
    """Also by a rule that says nothing of nodes."""
    desk = Desk(retry=lambda *_: Again())
    lost = Verdict(cause=Cause.NODE_LOST, node="n1")
    crashed = Verdict(cause=Cause.SIGNALLED, node="n2")
    decision = desk.books.policy.decide(crashed, (lost,), Resources())
    assert decision == Again(avoid=frozenset({"n1"}))


def test_a_persons_kill_that_is_forgiven_dismisses_nobody() -> None:
    """The runner is replaced although it was the only one."""
    person = b.Autopsy(ending=b.Ending.PERSON)
    for forgiven in (True, False):
        rules = (Retry(on=Cause.KILLED, times=1),) if forgiven else ()
        desk = Desk(b.Capabilities(accounting=True), rules=rules)
        desk.add(2)
        peers = desk.start()
        for peer in peers:
            die(desk, peer, person)
        desk.tick(2.0)
        assert bool(desk.take(i.SubmitRunners)) == forgiven


def test_a_rule_that_cannot_help_is_no_opinion() -> None:
    """What it is not for is left to core."""
    desk = Desk(rules=(Escalate(walltime=["1h"]),), resubmits=0)
    verdict = Verdict(cause=Cause.LOST)
    decision = desk.books.policy.decide(verdict, (), Resources())
    assert isinstance(decision, GiveUp)


LIMIT = b.Autopsy(ending=b.Ending.SCHEDULER_LIMIT, limit=b.Limit.TIME)


def die_in_job(desk: Desk, peer: bytes, work: m.Work, number: int) -> Verdict:
    """Let a heartbeat name the job, and the runner's time be over."""
    beat = m.Beat(number=number, holds=(work.grant,), job=work.first, running=1.0)
    desk.hear(peer, beat)
    die(desk, peer, LIMIT)
    (failed,) = desk.take(JobFailed)
    return failed.verdict


def test_a_job_that_was_begun_late_had_less_time_than_it_asked_for() -> None:
    """It is run again as it is, and by no runner that has little time left."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=1, max_workers=1)
    desk.add(3, Resources(walltime=100))
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=100.0)
    (work,) = desk.work()
    desk.tell(f.Tick(), 4.0)
    desk.tell(f.Tick(), 4.0)
    desk.tell(f.Tick(), 4.0)
    desk.report(peer, work, seconds=12.0)
    (late, *_) = desk.work()
    desk.tell(f.Tick(), 4.0)
    verdict = die_in_job(desk, peer, late, 1)
    assert (verdict.cause, verdict.late) == (Cause.TIME_LIMIT, True)
    assert verdict.ran_s == 4.0
    assert "began when part of its runner's time was over" in verdict.advise()
    assert desk.verdicts() == {}
    desk.tick(2.0)
    (handle,) = desk.accept()
    desk.hello(handle, remaining=100.0)
    (again,) = desk.work()
    assert (again.first, again.attempt) == (1, 2)


def test_one_that_had_all_its_time_is_not_run_again() -> None:
    """It was begun as soon as its runner was up."""
    desk = Desk(b.Capabilities(accounting=True), resubmits=1)
    desk.add(1, Resources(walltime=100))
    (handle,) = desk.accept()
    peer = desk.hello(handle, remaining=100.0)
    (work,) = desk.work()
    verdict = die_in_job(desk, peer, work, 1)
    assert (verdict.cause, verdict.late) == (Cause.TIME_LIMIT, False)
    assert desk.verdicts() == {0: "time limit"}
