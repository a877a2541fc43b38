"""The rules of a run, one case at a time; all together they are in tests/simulation."""

import pytest
from tests.unit.monitor.desk import (
    BOOKS,
    NODE,
    Desk,
    batched,
    die,
    returned,
)

from gridmap import backend as b
from gridmap.errors import RemoteProtocolError
from gridmap.lifecycle import JobState, RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m
from gridmap.retry import Again

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
    (ack,) = (x for x in desk.asked if isinstance(x, i.Send))
    assert ack.patient, "it may go together with more of its kind"


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
