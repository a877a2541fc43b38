"""Jobs that hold up the others are begun a second time, and end once."""

from typing import Any

import pytest
from tests.unit.monitor.desk import OTHER, PLAIN, Desk
from tests.unit.monitor.resumed import Journaled, Resumed

from gridmap import backend as b
from gridmap.events import (
    JobFailed,
    JobsDone,
    JobsGranted,
    JobSpeculated,
    SpeculationEnded,
)
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.retry import Again, Escalate
from gridmap.verdict import Cause

NODE = b.Autopsy(ending=b.Ending.NODE)
PERSON = b.Autopsy(ending=b.Ending.PERSON)
RAISED = m.Failure(offset=0, kind=m.Kind.RAISED, classes=("ValueError",), text="no")


class Tail:
    """Of seven jobs one is left, which takes long.

    Attributes:
        slow: The peer of who runs it.
        first: What that was given.
        quick: The peer of who has done all the others.
    """

    def __init__(self, desk: Desk | None = None, runners: int = 2, **policy: Any):
        policy = {"speculate": True, "max_workers": runners, **policy}
        self.desk = desk or Desk(b.Capabilities(accounting=True), **policy)
        self.desk.add(7)
        self.handles = self.desk.accept()
        self.slow, *others = (self.desk.hello(handle) for handle in self.handles)
        self.first, *works = self.desk.work()
        self.quick = others[0]
        for peer, given in zip(others, works, strict=True):
            work = given
            while True:
                self.desk.report(peer, work)
                if not (more := self.desk.work()):
                    break
                (work,) = more
        assert self.desk.books.jobs.open == 1
        self.desk.asked.clear()

    def wait(self, seconds: float = 4.0) -> m.Work:
        """Let it take long; return what the second attempt was given as."""
        self.desk.tick(seconds)
        (work,) = self.desk.work()
        return work

    def ends(self) -> list[tuple[str, int]]:
        """Return how second attempts ended since last asked."""
        ended = self.desk.take(SpeculationEnded)
        return [(event.outcome, event.attempt) for event in ended]

    def kill_slow(self, finding: b.Autopsy = NODE) -> None:
        """Let the runner of the first attempt be gone."""
        self.desk.tell(f.Disconnected(peer=self.slow))
        self.desk.tick(1.0)
        self.desk.looked()
        self.desk.tick()
        self.desk.autopsy(finding)

    @property
    def state(self) -> JobState:
        """Where the job is."""
        return JobState(self.desk.books.jobs.states[self.first.first])


def cancelled(desk: Desk, peer: bytes) -> list[int]:
    """Return the grants that a runner was told are not wanted, since last asked."""
    sent = [send for send in desk.take(i.Send) if send.peer == peer]
    return [s.message.grant for s in sent if isinstance(s.message, m.Cancel)]


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


# Which counts -------------------------------------------------------------------------


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


def failed(work: m.Work) -> m.Report:
    return m.Report(
        number=7, grant=work.grant, first=work.first, count=1, failures=(RAISED,)
    )


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
