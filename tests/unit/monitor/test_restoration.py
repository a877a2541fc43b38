"""A ledger made of a journal goes on where the one before it was cut off."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.monitor.desk import OTHER, PLAIN
from tests.unit.monitor.resumed import Journaled, Resumed

from gridmap import backend as b
from gridmap.events import JobsRestored
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState, RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.past import Restored
from gridmap.monitor.restoration import Segment
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Verdict


def report(number: int, work: m.Work, first: int, count: int) -> m.Report:
    return m.Report(
        number=number, grant=work.grant, first=first, count=count, seconds=5.0 * count
    )


def test_a_living_runner_is_taken_back_with_what_it_holds() -> None:
    """Its job is not given to another, and its result counts."""
    desk = Journaled(max_workers=2)
    desk.add(4)
    one, two = desk.start()
    first, second = desk.work()
    desk.hear(one, report(1, first, first.first, 1))
    (third,) = desk.work()
    again = Resumed(desk.journal, max_workers=2)
    assert again.states()[first.first] is JobState.DONE
    assert again.states()[second.first] is JobState.GRANTED
    (told,) = again.take(JobsRestored)
    assert (told.jobs, told.done, told.failed) == (4, 1, 0)
    assert again.take(i.SubmitRunners) == []  # both may live
    again.hello(b.Handle("1"), one.decode(), holds=(third.grant,))
    again.hello(b.Handle("2"), two.decode(), holds=(second.grant,))
    again.hear(two, report(1, second, second.first, 1))
    again.hear(one, report(2, third, third.first, 1))
    assert again.states()[second.first] is JobState.DONE
    assert again.states()[third.first] is JobState.DONE
    (last,) = again.work()
    assert {first.first, second.first, third.first, last.first} == {0, 1, 2, 3}


def test_what_a_living_runner_does_not_hold_is_run_again() -> None:
    """Work that was granted but never arrived goes back, as after a lost connection."""
    desk = Journaled(max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    (work,) = desk.work()
    again = Resumed(desk.journal, max_workers=1)
    again.hello(b.Handle("1"), peer.decode(), holds=())
    (anew,) = again.work()
    assert (anew.first, anew.attempt) == (work.first, 1)
    assert anew.grant > work.grant


def test_a_grant_that_was_never_written_down_is_no_other_ones() -> None:
    """A full disk may keep grants from the journal that runners still speak of."""
    desk = Journaled(max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    (work,) = desk.work()
    kept: list[e.Entry] = []
    kept += [entry for entry in desk.journal if not isinstance(entry, e.Granted)]
    again = Resumed(kept, max_workers=1)
    again.hello(b.Handle("1"), peer.decode(), holds=(work.grant,))
    (anew,) = again.work()
    assert anew.grant != work.grant


def test_a_runner_that_is_gone_gives_its_jobs_back() -> None:
    """The scheduler does not know it any more: no verdict, the job is run again."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    desk.start()
    again = Resumed(desk.journal, max_workers=1)
    again.tick(4.0)
    (look,) = again.take(i.Look)
    observed = b.Observed(seen={}, absent=look.handles)
    again.tell(f.Looked(asked=look.handles, observation=observed, at=again.now))
    assert again.states() == [JobState.QUEUED]
    assert again.take(i.HoldAutopsy) == []
    (handle,) = again.accept()
    again.hello(handle)
    (work,) = again.work()
    assert work.first == 0


def test_a_runner_nobody_hears_of_is_given_up_after_the_silence_limit() -> None:
    """The scheduler shows it running, but it does not come back: verdict, and again."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    desk.start()
    again = Resumed(desk.journal, max_workers=1, silence_s=30.0)
    seen = b.Seen(state=b.SeenState.RUNNING)
    for _ in range(12):
        again.tick(4.0)
        for look in again.take(i.Look):
            shown = b.Observed(seen=dict.fromkeys(look.handles, seen))
            again.tell(f.Looked(asked=look.handles, observation=shown, at=again.now))
    assert again.take(i.KillRunners)
    (retried,) = [entry for entry in again.journal if isinstance(entry, e.Retried)]
    assert retried.verdict.cause is Cause.LOST


def test_an_old_sight_is_no_requeue_after_a_restart_either() -> None:
    """The scheduler lags behind: it may still show what was before the runner came."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    again = Resumed(desk.journal, max_workers=1)
    again.tick(4.0)
    again.looked(h1=b.SeenState.QUEUED)
    again.hello(b.Handle("1"), peer.decode(), holds=(work.grant,))
    again.hear(peer, report(1, work, 0, 1))
    assert again.states() == [JobState.DONE]


def test_a_node_is_not_avoided_for_ever_after_a_restart() -> None:
    """A runner waits for want of nodes: the next driver still knows which it left out."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    desk.work()
    desk.tell(f.Disconnected(peer=peer))
    desk.tick(1.0)
    desk.looked()
    desk.tick(1.0)
    handles = desk.take(i.HoldAutopsy)[0].handles
    desk.tell(f.Autopsied(asked=handles, findings={}, tails={}))
    (handle,) = desk.accept()
    again = Resumed(desk.journal, max_workers=1)
    for _ in range(100):
        again.tick(4.0)
        if again.take(i.Look):
            seen = {handle: b.Seen(state=b.SeenState.QUEUED)}
            shown = b.Observed(seen=seen)
            again.tell(f.Looked(asked=frozenset(seen), observation=shown, at=again.now))
    (kill,) = again.take(i.KillRunners)
    assert kill.handles == {handle}
    (submission,) = again.take(i.SubmitRunners)
    assert not submission.avoid


def test_a_runner_that_came_while_nobody_listened_fails_no_job() -> None:
    """It gave up waiting for a driver; the scheduler shows it running a while longer."""
    desk = Journaled(max_workers=1, resubmits=0)
    desk.add(1)
    (handle,) = desk.accept()
    again = Resumed(desk.journal, max_workers=1, resubmits=0, connect_s=15.0)
    for _ in range(10):
        again.tick(4.0)
        if again.take(i.Look):
            again.take(i.Look)
            seen = {handle: b.Seen(state=b.SeenState.RUNNING)}
            again.tell(
                f.Looked(
                    asked=frozenset(seen),
                    observation=b.Observed(seen=seen),
                    at=again.now,
                )
            )
    assert again.take(i.KillRunners)
    assert again.states() == [JobState.QUEUED]
    again.tick(1.0)
    assert again.take(i.SubmitRunners)


def test_jobs_handed_back_are_not_waited_for() -> None:
    """What a runner returned is not its own in the next life either."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.hear(peer, m.Returned(number=1, grant=work.grant, first=0, count=1))
    returned = [isinstance(entry, e.Returned) for entry in desk.journal].index(True)
    again = Resumed(desk.journal[: returned + 1], max_workers=1)
    assert again.states() == [JobState.QUEUED]
    again.hello(b.Handle("1"), peer.decode(), holds=(work.grant,))
    (anew,) = again.work()
    assert anew.first == 0
    assert anew.grant > work.grant


def test_runners_that_were_killed_at_the_end_are_not_missed() -> None:
    """After Ctrl-C nothing is held back: the next driver asks for runners at once."""
    desk = Journaled(max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    desk.work()
    desk.tell(f.Closed(kill=True))
    desk.hear(peer, m.Goodbye(number=1, reason="stopped"))
    assert desk.ledger.closed
    again = Resumed(desk.journal, max_workers=1)
    assert again.states() == [JobState.QUEUED] * 2
    assert len(again.take(i.SubmitRunners)) == 1
    assert not [r for r in again.books.fleet if r.inherited]


def test_another_attempt_keeps_number_and_history() -> None:
    """A job that was to be run again is, as the attempt it was to be."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.hear(
        peer, m.WorkerLost(number=1, grant=work.grant, job=0, status=None, signal=9)
    )
    lost = e.Retried(
        job=0,
        attempt=2,
        verdict=Verdict(cause=Cause.LOST),
        function=b"f",
        resources=OTHER,
        surroundings=0,
    )
    journal = [x for x in desk.journal if not isinstance(x, e.Ended)]
    again = Resumed([*journal, lost, e.Gone(runner=1)], max_workers=1)
    (submission,) = again.take(i.SubmitRunners)
    assert submission.resources == OTHER
    assert [v.cause for v in again.books.jobs.histories[0]] == [Cause.LOST]


def test_new_resources_are_asked_for_what_is_not_being_run() -> None:
    """A script that was started again with other needs gets them for the rest."""
    desk = Journaled(max_workers=1)
    desk.add(3)
    desk.start()
    (work,) = desk.work()
    wanted = Segment(first=0, stop=3, function=b"g", resources=OTHER, surroundings=0)
    again = Resumed(desk.journal, [wanted], max_workers=2)
    (submission,) = again.take(i.SubmitRunners)
    assert submission.resources == OTHER
    assert again.books.jobs.group_of(work.first).resources == PLAIN
    assert sum(group.open for group in again.books.jobs.groups.values()) == 3


def test_runners_that_nobody_knows_are_taken_out_of_the_queue() -> None:
    """A submission whose answer was never written down leaves nothing behind."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    desk.accept()
    again = Resumed(desk.journal, max_workers=1)
    (_,) = again.take(i.Attach)
    again.tell(f.Attached(found=b.NotAsked(text="master down")))
    again.tick(20.0)
    (_,) = again.take(i.Attach)
    seen = b.Seen(state=b.SeenState.QUEUED)
    found = {b.Handle("1"): seen, b.Handle("99"): seen}
    again.tell(f.Attached(found=found))
    (kill,) = again.take(i.KillRunners)
    assert kill.handles == {b.Handle("99")}


def test_parked_results_count_once() -> None:
    """What a runner left behind is taken in by the same rules as what it says."""
    desk = Journaled(max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    (work,) = desk.work()
    again = Resumed(desk.journal, max_workers=1)
    said = report(1, work, work.first, 1)
    again.tell(f.Parked(nonce=peer.decode(), message=said))
    assert again.states()[work.first] is JobState.DONE
    (delivered,) = again.take(i.Deliver)
    assert (delivered.first, delivered.stop) == (work.first, work.first + 1)
    again.tell(f.Parked(nonce=peer.decode(), message=said))
    again.tell(f.Parked(nonce="somebody else", message=said))
    assert again.take(i.Deliver) == []


def test_failures_may_be_forgotten() -> None:
    """A job that ended badly is run again where its user wants that."""
    desk = Journaled(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    failure = m.Failure(offset=0, kind=m.Kind.RAISED)
    said = m.Report(number=1, grant=work.grant, first=0, count=1, failures=(failure,))
    desk.hear(peer, said)
    past = Restored()
    for entry in desk.journal:
        past.take(entry, ())
    assert list(past.failures) == [0]
    assert Resumed(desk.journal).states() == [JobState.FAILED]
    past.forget_failures()
    assert past.failures == {}
    assert next(past.parts(0, 1))[2] is JobState.QUEUED


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, int]]:
    steps = ["report", "lost", "back", "tick", "gone"]
    return draw(
        st.lists(st.tuples(st.sampled_from(steps), st.integers(0, 5)), max_size=25)
    )


@settings(deadline=None)
@given(life=lives(), cut=st.floats(0, 1))
def test_any_cut_leaves_a_ledger_that_accounts_for_every_job(
    life: list[tuple[str, int]], cut: float
) -> None:
    """Wherever the journal ends: counts are right, and no final job is lost."""
    desk = Journaled(max_workers=3)
    desk.add(20)
    peers = desk.start()
    held: dict[int, list[m.Work]] = {n: [] for n in range(3)}
    numbers = 0
    for step, which in life:
        for work in desk.work():
            runner = desk.books.jobs.grants.get(work.grant)
            if runner is not None:
                held[runner.runner - 1].append(work)
        n = which % 3
        open_ = [w for w in held[n] if w.grant in desk.books.jobs.grants]
        numbers += 1
        if step == "tick" or not open_:
            desk.tick(0.5)
            continue
        grant = desk.books.jobs.grants[open_[0].grant]
        job = grant.next
        assert job is not None
        peer = peers[n]
        if step == "report":
            desk.hear(peer, report(numbers, open_[0], job, 1))
        elif step == "lost":
            desk.hear(
                peer,
                m.WorkerLost(
                    number=numbers, grant=grant.number, job=job, status=None, signal=11
                ),
            )
        elif step == "back":
            desk.hear(
                peer,
                m.Returned(number=numbers, grant=grant.number, first=job, count=1),
            )
    entries = desk.journal[: max(1, int(cut * len(desk.journal)))]
    again = Resumed(entries, max_workers=3)
    over = sum(
        (x.stop - x.first) if isinstance(x, e.Done) else 1
        for x in entries
        if isinstance(x, e.Done | e.Ended)
    )
    states = again.states()
    assert sum(state.final for state in states) == over
    table = again.books.jobs
    assert table.open == sum(not state.final for state in states)
    for group in table.groups.values():
        waiting = sum(len(span) for span in group.waiting)
        assert waiting == group.queued
    granted = sum(grant.left for grant in table.grants.values())
    assert granted == states.count(JobState.GRANTED)
    assert granted == sum(runner.left for runner in again.books.fleet)
    up = [r for r in again.books.fleet if r.state is RunnerState.SUSPECT]
    assert all(runner.inherited for runner in up)
