"""The rules of a run, one case at a time; all together they are in tests/simulation."""

import pytest
from tests.unit.monitor.desk import OTHER, PLAIN, Desk

from gridmap import backend as b
from gridmap.errors import RemoteProtocolError
from gridmap.events import JobFailed, RunnerGone, RunnersRejected
from gridmap.lifecycle import JobState, RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.retry import Again
from gridmap.verdict import Cause

KILLED = b.Autopsy(ending=b.Ending.PERSON)
NODE = b.Autopsy(ending=b.Ending.NODE)
BOOKS = b.Capabilities(accounting=True)


def returned(work: m.Work, first: int) -> m.Returned:
    count = work.first + work.count - first
    return m.Returned(number=1, grant=work.grant, first=first, count=count)


def batched(desk: Desk, jobs: int) -> tuple[bytes, m.Work]:
    """Bring a runner to hold several jobs in one grant."""
    desk.add(jobs)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.report(peer, work, seconds=0.001)
    return peer, desk.work()[0]


# Grants and their fence ---------------------------------------------------------------


def test_a_job_handed_back_is_not_taken_from_its_next_holder() -> None:
    """Not by hearing the hand-back twice, and not by the old holder's death."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(9, final=False)
    desk.tick(1.0)
    one, two = desk.accept()
    peer = desk.hello(one)
    (work,) = desk.work()
    desk.report(peer, work, seconds=0.001)
    work = desk.work()[0]
    back = returned(work, work.first + 1)
    desk.hear(peer, back)
    other = desk.hello(two)
    again = desk.work()[0]
    assert again.first == back.first
    desk.hear(peer, back)
    die(desk, peer, NODE)
    assert desk.books.jobs.states[again.first] == JobState.GRANTED
    desk.take(i.Deliver)
    desk.report(other, again)
    assert [d.first for d in desk.take(i.Deliver)] == [again.first]


def test_a_revoked_grant_delivers_nothing() -> None:
    """A runner that was given up may say what it likes; it is acknowledged."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (old,) = desk.work()
    desk.tick(100.0)
    assert desk.take(i.KillRunners)
    desk.take(m.Ack)
    desk.report(peer, old)
    assert len(desk.take(m.Ack)) == 1
    assert not desk.take(i.Deliver)
    (new_peer,) = desk.start()
    (new,) = desk.work()
    assert (new.first, new.attempt) == (0, 2)
    desk.report(new_peer, new)
    assert [d.first for d in desk.take(i.Deliver)] == [0]


@pytest.mark.parametrize(
    "message",
    [
        m.Report(number=1, grant=1, first=0, count=2),
        m.Report(number=1, grant=1, first=0, count=1,
                 failures=(m.Failure(offset=1, kind=m.Kind.RAISED),)),
        m.Returned(number=1, grant=1, first=1, count=1),
        m.WorkerLost(number=1, grant=1, job=7, status=1, signal=None),
    ],
    ids=lambda x: type(x).__name__ + str(getattr(x, "count", "")),
)  # fmt: skip
def test_what_cannot_be_changes_nothing(message: m.FromRunner) -> None:
    """A runner that speaks of jobs it has not got breaks the protocol."""
    desk = Desk(max_workers=1)
    desk.add(8)
    (peer,) = desk.start()
    desk.work()
    before = bytes(desk.books.jobs.states)
    with pytest.raises(RemoteProtocolError):
        desk.hear(peer, message)
    assert bytes(desk.books.jobs.states) == before
    assert not any(isinstance(x, i.Send) for x in desk.tell(f.Tick()))


def test_results_are_acknowledged_after_they_are_delivered() -> None:
    """Who acknowledges first loses them if he dies in between."""
    desk = Desk(max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.take(i.Send)
    desk.asked.clear()
    desk.report(peer, work)
    kinds = [
        type(getattr(x, "message", x))
        for x in desk.asked
        if not isinstance(x, i.Publish)
    ]
    assert kinds == [i.Deliver, m.Ack, i.SendWork]


def test_failures_within_a_report_are_delivered_apart() -> None:
    """Offsets lead from each piece to its payload."""
    desk = Desk(max_workers=1)
    peer, work = batched(desk, 9)
    assert work.count == 4
    desk.take(i.Deliver)
    failure = m.Failure(offset=1, kind=m.Kind.RAISED)
    desk.hear(
        peer,
        m.Report(
            number=1, grant=work.grant, first=work.first, count=4, failures=(failure,)
        ),
    )
    told = [(d.first, d.stop, d.offset, len(d.failures)) for d in desk.take(i.Deliver)]
    one = work.first
    assert told == [
        (one, one + 1, 0, 0),
        (one + 1, one + 2, 1, 1),
        (one + 2, one + 4, 2, 0),
    ]


def test_a_job_behind_a_long_one_is_asked_back_for_an_idle_runner() -> None:
    """Also where it came by itself, as the last ones do."""
    desk = Desk(max_workers=2)
    desk.add(40)
    one, two = desk.start()
    held: dict[bytes, list[m.Work]] = {one: [], two: []}

    def take() -> bool:
        for send in desk.take(i.SendWork):
            held[send.peer].append(send.work)
        return not any(group.queued for group in desk.books.jobs.groups.values())

    while not (take() and len(held[one]) > 1):
        for peer, works in held.items():
            if works and not (take() and len(held[one]) > 1):
                desk.report(peer, works.pop(0), seconds=0.01)
    while held[two]:
        desk.report(two, held[two].pop(0), seconds=0.01)
    running, *behind = held[one]
    assert {work.count for work in behind} == {1}
    for number in range(1, 4):
        desk.tick(1.0)
        holds = tuple(work.grant for work in held[one])
        desk.hear(one, m.Beat(number=number, holds=holds, job=running.first))
    asked = {recall.grant for recall in desk.take(m.Recall)}
    assert asked >= {work.grant for work in behind}


# Connections --------------------------------------------------------------------------


def test_work_lost_with_a_connection_is_given_again() -> None:
    """Hello says what is held; what is not, is revoked lest it comes late."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    peer = desk.hello(handle)
    (work,) = desk.work()
    desk.tell(f.Disconnected(peer=peer))
    desk.hello(handle)
    assert [c.grant for c in desk.take(m.Cancel)] == [work.grant]
    assert [w.first for w in desk.work()] == [0]


def test_what_is_held_in_vain_is_told_once_more() -> None:
    """A Cancel that was lost with the connection must not leave a job running."""
    desk = Desk(max_workers=1)
    peer, work = batched(desk, 9)
    desk.tell(f.JobsCancelled(first=work.first, stop=work.first + 1))
    desk.take(m.Cancel)
    desk.tell(f.Disconnected(peer=peer))
    desk.hello(b.Handle("1"), holds=(work.grant, 999))
    cancels = [(c.grant, c.first, c.count) for c in desk.take(m.Cancel)]
    assert (work.grant, work.first, 1) in cancels
    assert (999, 0, 2**53) in cancels


def test_a_beat_brings_a_runner_in_doubt_back_to_work() -> None:
    """Work that could not be sent made it doubtful; then it speaks."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.tell(f.Unsent(grant=work.grant))
    assert desk.crew(RunnerState.SUSPECT) == 1
    assert not desk.work()
    desk.hear(peer, m.Beat(number=1, holds=()))
    assert [w.first for w in desk.work()] == [0]


def test_beats_sent_before_the_work_came_take_nothing_back() -> None:
    """They are heard long after: we were stopped, or the work is large and under way."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (peer,) = desk.start()
    desk.work()
    for number in range(1, 30):
        desk.tick(10.0)
        desk.hear(peer, m.Beat(number=number, holds=()))
    assert not desk.work()
    assert not desk.take(m.Cancel)
    desk.hear(peer, m.Beat(number=30, holds=(), echo=1))  # sent behind the work
    assert [w.first for w in desk.work()] == [0]


def test_a_stopped_process_does_not_take_its_own_silence_for_the_runners() -> None:
    """Nobody was silent but we."""
    desk = Desk(max_workers=1)
    desk.add(1)
    desk.start()
    desk.tell(f.Tick(), 1000.0)
    assert not desk.take(i.KillRunners)
    assert desk.crew(RunnerState.UP) == 1


def test_a_hello_before_the_schedulers_answer_waits_for_it() -> None:
    """A runner may be faster than the submission that started it."""
    desk = Desk(max_workers=1)
    desk.add(1)
    desk.hello(b.Handle("1"))
    desk.hello(b.Handle("77"))
    assert not desk.take(m.Refuse)
    assert not desk.work()
    desk.accept()
    assert len(desk.work()) == 1
    assert len(desk.take(m.Refuse)) == 1  # the other is nobody's


def test_an_early_hello_of_a_rejected_runner_is_refused() -> None:
    """Some of a submission were taken, and who else said hello is told."""
    desk = Desk(max_workers=2)
    desk.add(2)
    (submission,) = desk.take(i.SubmitRunners)
    desk.hello(b.Handle("1"))
    desk.hello(b.Handle("2"))
    one, two = submission.runners
    busy = b.Rejected(transient=True, text="busy")
    desk.tell(f.Submitted(answers={one: b.Handle("1"), two: busy}))
    assert len(desk.work()) == 1
    assert len(desk.take(m.Refuse)) == 1
    assert not desk.ledger._greeting._early


# Lives under one handle ---------------------------------------------------------------


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


# Deaths -------------------------------------------------------------------------------


def die(desk: Desk, peer: bytes, finding: b.Autopsy | None) -> None:
    """Let a runner vanish and be looked into to the end."""
    desk.tell(f.Disconnected(peer=peer), 3.0)
    desk.tick()
    desk.looked()
    desk.tick()
    desk.autopsy(finding)


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


def test_who_says_goodbye_was_not_killed() -> None:
    """Not even just after a person killed others."""
    desk = Desk(BOOKS, max_workers=2)
    desk.add(2)
    one, two = desk.start()
    desk.tell(f.Disconnected(peer=two), 3.0)  # so it may be meant for both
    desk.tell(f.Disconnected(peer=one))
    desk.tick()
    desk.looked(h2=b.SeenState.RUNNING)
    desk.tick()
    desk.autopsy(KILLED)
    assert desk.verdicts() == {0: "killed by someone else"}
    desk.hear(two, m.Beat(number=1, holds=(2,), job=1))
    desk.hear(two, m.Goodbye(number=1, reason="deadline", text="its time is over"))
    assert desk.verdicts() == {}
    assert len(desk.take(i.SubmitRunners)) == 1


# Staffing -----------------------------------------------------------------------------


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
    desk.tick(0.1)
    (submission,) = desk.take(i.SubmitRunners)
    assert len(submission.runners) == 5


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


# The end of jobs and of the run -------------------------------------------------------


def test_cancelling_reaches_jobs_wherever_they_are() -> None:
    """Queued, delayed or with a runner; who runs one is told, and nobody else."""
    desk = Desk(
        max_workers=1,
        retry=lambda *_: Again(delay_s=50.0),
    )
    peer, work = batched(desk, 20)
    lost = m.WorkerLost(
        number=1, grant=work.grant, job=work.first, status=1, signal=None
    )
    desk.hear(peer, lost)
    assert desk.books.jobs.states[work.first] == JobState.DELAYED
    desk.take(m.Cancel)
    desk.tell(f.JobsCancelled(first=0, stop=20))
    states = desk.books.jobs.states
    assert states[0] == JobState.DONE
    assert states.count(JobState.CANCELLED) == 19
    assert {(c.grant, c.first) for c in desk.take(m.Cancel)} >= {
        (work.grant, work.first + 1)
    }
    assert desk.ledger.settled
    assert not desk.books.jobs.grants


def test_cancelling_leaves_others_alone() -> None:
    """Jobs before and behind the range are not touched."""
    desk = Desk(max_workers=1)
    _, work = batched(desk, 20)
    desk.tell(f.JobsCancelled(first=work.first + 1, stop=work.first + 2))
    states = desk.books.jobs.states
    assert states.count(JobState.CANCELLED) == 1
    assert states[work.first + 1] == JobState.CANCELLED


@pytest.mark.parametrize("kill", [True, False])
def test_closing_leaves_no_job_open(kill: bool) -> None:
    """What waits is over at once; what runs, when it ends or by force."""
    desk = Desk(max_workers=1)
    peer, work = batched(desk, 20)
    desk.tell(f.Closed(kill=kill))
    assert desk.ledger.settled is kill
    assert [stop.now for stop in desk.take(m.Stop)] == [kill]
    desk.hear(peer, returned(work, work.first + 1))
    desk.hear(peer, m.Report(number=2, grant=work.grant, first=work.first, count=1))
    desk.hear(peer, m.Goodbye(number=3, reason="stopped"))
    assert desk.ledger.settled
    done = desk.books.jobs.states.count(JobState.DONE)
    assert done == (1 if kill else 2)
    assert desk.ledger.closed
    assert not desk.take(i.DeliverVerdict)


def test_closing_waits_for_runners_that_are_being_asked_for() -> None:
    """They come up after all, and are killed then."""
    desk = Desk(max_workers=2)
    desk.add(2)
    desk.tell(f.Closed(kill=False))
    assert not desk.ledger.closed
    one, two = desk.accept()
    (kill,) = desk.take(i.KillRunners)
    assert kill.handles == {one, two}
    desk.tell(f.KillAnswered(results=dict.fromkeys((one, two), b.Killed.KILLED)))
    assert desk.ledger.closed


def test_a_run_that_kills_believes_only_its_eyes() -> None:
    """That a kill was accepted is not that it is done."""
    desk = Desk(max_workers=1)
    desk.add(1)
    (handle,) = desk.accept()
    desk.hello(handle)
    desk.tell(f.Closed(kill=True))
    desk.tell(f.KillAnswered(results={handle: b.Killed.KILLED}))
    assert not desk.ledger.closed
    desk.tick(1.0)
    desk.looked(h1=b.SeenState.ENDING)
    assert not desk.ledger.closed
    desk.tick(2.0)
    desk.looked()
    assert desk.ledger.closed


def test_jobs_handed_in_too_late_are_over() -> None:
    """A run that is closed takes no more."""
    desk = Desk(max_workers=1)
    desk.tell(f.Closed(kill=False))
    desk.add(3)
    assert desk.ledger.settled
    assert not desk.take(i.SubmitRunners)


def test_nothing_is_remembered_of_jobs_that_ended() -> None:
    """A run of a million jobs with some retries must not grow for ever."""
    desk = Desk(BOOKS, max_workers=1)
    desk.add(2)
    (peer,) = desk.start()
    desk.work()
    die(desk, peer, NODE)
    assert desk.books.jobs.histories
    (peer,) = desk.start()
    for _ in range(2):
        for work in desk.work():
            desk.report(peer, work)
    assert desk.ledger.settled
    assert not desk.books.jobs.histories
    assert not desk.books.jobs.grants
