"""What became of runners, and who pays for it."""

from tests.unit.monitor.desk import BOOKS, KILLED, NODE, Desk, batched, die

from gridmap import backend as b
from gridmap.lifecycle import JobState, RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.verdict import Cause


def test_only_the_running_job_pays_for_a_death() -> None:
    """The rest goes back as the same attempt, and in order."""
    desk = Desk(BOOKS, max_workers=1, resubmits=3)
    peer, work = batched(desk, 9)
    desk.hear(peer, m.Beat(number=1, holds=(work.grant,), job=work.first))
    die(desk, peer, NODE)
    histories = desk.books.jobs.histories
    assert list(histories) == [work.first]
    assert histories[work.first][0].cause is Cause.NODE_LOST
    assert desk.books.jobs.states.count(JobState.GRANTED) == 0


def test_a_stale_beat_does_not_choose_the_culprit() -> None:
    """The job it named has been reported since: the next one ran."""
    desk = Desk(BOOKS, max_workers=1)
    peer, work = batched(desk, 9)
    first = work.first
    desk.hear(peer, m.Beat(number=1, holds=(work.grant,), job=first))
    desk.hear(peer, m.Report(number=1, grant=work.grant, first=first, count=1))
    die(desk, peer, NODE)
    assert list(desk.books.jobs.histories) == [first + 1]


def test_who_took_leave_idle_harmed_no_job() -> None:
    """It was told to end before it began what it held."""
    desk = Desk(BOOKS, max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    desk.work()
    desk.hear(peer, m.Goodbye(number=1, reason="signal", signal=15, job=None))
    assert desk.books.jobs.states[0] == JobState.QUEUED
    die(desk, peer, KILLED)
    assert not desk.books.jobs.histories


def test_what_a_person_killed_stays_killed() -> None:
    """One after another of an array: none is replaced, and the rest ends with it."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(5)
    one, two = desk.start()
    desk.take(i.SubmitRunners)
    desk.tell(f.Disconnected(peer=one), 3.0)
    desk.tell(f.Disconnected(peer=two))
    desk.tick()
    desk.looked()
    desk.tick()
    asked = sorted(desk.take(i.HoldAutopsy)[-1].handles)
    for handle in asked:
        fact = f.Autopsied(
            asked=frozenset({handle}), findings={handle: KILLED}, tails={}
        )
        desk.tell(fact)
    assert not desk.take(i.SubmitRunners)
    assert set(desk.verdicts().values()) == {"killed by someone else"}
    assert desk.ledger.settled


def test_one_killed_runner_of_two_is_no_end() -> None:
    """Only the job it ran is; what else there is goes on."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(5)
    one, _ = desk.start()
    die(desk, one, KILLED)
    assert len(desk.verdicts()) == 1
    desk.tick(1.0)
    assert desk.take(i.SubmitRunners)


def test_new_jobs_after_a_kill_are_a_new_wish() -> None:
    """Whoever killed the runners did not mean jobs that were not there."""
    desk = Desk(BOOKS, max_workers=1)
    desk.add(1, final=False)
    desk.tick(1.0)
    (peer,) = desk.start()
    die(desk, peer, KILLED)
    assert desk.verdicts() == {0: "killed by someone else"}
    desk.add(1, final=False)
    desk.tick(1.0)
    assert not desk.verdicts()
    assert desk.take(i.SubmitRunners)


def test_a_silent_scheduler_ends_nobody() -> None:
    """A failed query is not an observation."""
    desk = Desk(BOOKS, max_workers=1, silence_s=1e9)
    desk.add(1)
    (peer,) = desk.start()
    desk.tell(f.Disconnected(peer=peer), 3.0)
    for _ in range(20):
        desk.tick(30.0)
        for look in desk.take(i.Look):
            said = b.NotAsked(text="no route")
            desk.tell(f.Looked(asked=look.handles, observation=said, at=desk.now))
    assert desk.crew(RunnerState.SUSPECT) == 1
    assert not desk.take(i.HoldAutopsy)


def test_a_runner_that_is_absent_but_speaks_is_alive() -> None:
    """Absence is no end; a heartbeat is life."""
    desk = Desk(BOOKS, max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.tell(f.Disconnected(peer=peer), 3.0)
    desk.tick()
    desk.looked()
    desk.hear(peer, m.Beat(number=1, holds=(work.grant,)))
    desk.tick()
    desk.autopsy()
    assert desk.crew(RunnerState.UP) == 1
    desk.report(peer, work)
    assert desk.ledger.settled


def test_who_hangs_up_without_goodbye_may_be_there_still() -> None:
    """A process that hangs loses its connection too, and keeps its slot."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.report(peer, work)
    desk.tick()
    assert len(desk.take(m.Stop)) == 1
    desk.tell(f.Disconnected(peer=peer))
    desk.tick()
    desk.looked(h1=b.SeenState.RUNNING)
    assert len(desk.take(i.KillRunners)) == 1


def test_who_outlived_a_kill_and_dies_later_was_not_killed() -> None:
    """No person ended every runner there was, so another comes."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(2)
    one, two = desk.start()
    die(desk, one, KILLED)
    assert desk.verdicts() == {0: "killed by someone else"}
    desk.tick(60.0)
    die(desk, two, NODE)
    assert desk.verdicts() == {}
    assert len(desk.take(i.SubmitRunners)) == 1


def kill_one(desk: Desk) -> bytes:
    """Have a person kill one of two runners; return the other one, which is in doubt."""
    one, two = desk.start()
    desk.tell(f.Disconnected(peer=two), 3.0)  # so it may be meant for both
    desk.tell(f.Disconnected(peer=one))
    desk.tick()
    desk.looked(h2=b.SeenState.RUNNING)
    desk.tick()
    desk.autopsy(KILLED)
    assert desk.verdicts() == {0: "killed by someone else"}
    return two


def test_who_says_goodbye_was_not_killed() -> None:
    """Not even just after a person killed others."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(2)
    two = kill_one(desk)
    desk.hear(two, m.Beat(number=1, holds=(2,), job=1))
    desk.hear(two, m.Goodbye(number=1, reason="deadline", text="its time is over"))
    assert desk.verdicts() == {}
    assert len(desk.take(i.SubmitRunners)) == 1


def test_who_did_its_share_after_a_kill_was_not_killed() -> None:
    """Though it was in doubt from the kill to its last result."""
    desk = Desk(BOOKS, max_workers=2, jobs_per_runner=1)
    desk.add(3)
    two = kill_one(desk)
    desk.take(i.SubmitRunners)
    desk.hear(two, m.Beat(number=1, holds=(2,), job=1))
    desk.hear(two, m.Report(number=1, grant=2, first=1, count=1, seconds=1.0))
    desk.hear(two, m.Goodbye(number=2, reason="stopped", text=""))
    desk.tick()
    assert desk.verdicts() == {}
    assert len(desk.take(i.SubmitRunners)) == 1
