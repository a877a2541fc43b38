"""What a ledger does with checkpoints: kept while needed, fenced like results."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.monitor.desk import BOOKS, Desk

from gridmap import backend as b
from gridmap.errors import RemoteProtocolError
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.checkpoints import Checkpoints
from gridmap.protocol import messages as m

ONE, TWO = b"1" * 20, b"2" * 20


def working(**policy: Any) -> tuple[Desk, bytes, m.Work]:
    """Return a run with one runner in its one job."""
    desk = Desk(BOOKS, **{"max_workers": 1, **policy})
    desk.add(1)
    return desk, *at_work(desk)


def at_work(desk: Desk, **fields: Any) -> tuple[bytes, m.Work]:
    """Let the runner in that was asked for, and return what it is given."""
    (handle,) = desk.accept()
    peer = desk.hello(handle, **fields)
    (work,) = desk.work()
    return peer, work


def save(work: m.Work, digest: bytes) -> m.Checkpoint:
    """Return a checkpoint of a grant's first job."""
    return m.Checkpoint(number=2, grant=work.grant, job=work.first, digest=digest)


def part(desk: Desk, peer: bytes, reason: str, job: int | None = 0) -> None:
    """Let a runner say goodbye."""
    desk.hear(peer, m.Goodbye(number=3, reason=reason, job=job))


def end(desk: Desk, finding: b.Autopsy | None) -> None:
    """Let the runner in question turn out to be over, with this finding."""
    desk.tick()
    desk.looked()
    desk.tick()
    desk.autopsy(finding)


def test_the_next_attempt_begins_with_the_checkpoint() -> None:
    """It is kept before it is acknowledged, and sent in the function's place."""
    desk, peer, work = working()
    asked = desk.hear(peer, save(work, ONE))
    kinds = [type(one) for one in asked]
    assert kinds[:2] == [i.KeepContent, i.Send]
    part(desk, peer, "deadline")
    _, again = at_work(desk)
    assert (again.attempt, again.function) == (2, ONE)


def test_preemption_costs_no_attempt() -> None:
    """A job that goes on each time may be preempted more often than it may fail."""
    desk, peer, work = working(resubmits=1)
    for digest in (ONE, TWO, b"3" * 20, b"4" * 20):
        desk.hear(peer, save(work, digest))
        part(desk, peer, "preempted")
        peer, work = at_work(desk)
        assert work.function == digest
    assert not desk.verdicts()
    assert [d.digest for d in desk.take(i.DropContent)] == [ONE, TWO, b"3" * 20]


def test_a_preemption_without_a_new_checkpoint_costs_one() -> None:
    """What was saved before is no progress of this attempt."""
    desk, peer, work = working(resubmits=1)
    desk.hear(peer, save(work, ONE))
    for _ in range(2):
        part(desk, peer, "preempted")
        peer, work = at_work(desk)
        assert work.function == ONE
    part(desk, peer, "preempted")
    assert desk.verdicts() == {0: "preempted"}


def test_time_limits_are_counted() -> None:
    """And without a checkpoint the first one stands."""
    desk, peer, work = working(resubmits=1)
    desk.hear(peer, save(work, ONE))
    part(desk, peer, "deadline")
    peer, work = at_work(desk)
    desk.hear(peer, save(work, TWO))
    part(desk, peer, "deadline")
    assert desk.verdicts() == {0: "time limit"}
    desk, peer, work = working(resubmits=9)
    part(desk, peer, "deadline")
    assert desk.verdicts() == {0: "time limit"}


def test_what_a_person_killed_stays_killed() -> None:
    """Though it was warned and left a checkpoint, which nobody needs then."""
    desk, peer, work = working()
    desk.hear(peer, m.Warned(number=1, text="it was warned", job=0, ending=True))
    desk.hear(peer, save(work, ONE))
    desk.tell(f.Disconnected(peer=peer))
    end(desk, b.Autopsy(ending=b.Ending.PERSON))
    (delivered,) = desk.take(i.DeliverVerdict)
    assert delivered.verdict.cause.value == "killed by someone else"
    said = " ".join(s.text for s in delivered.verdict.statements)
    assert "it was warned" in said
    assert "sent a checkpoint" in said
    assert [d.digest for d in desk.take(i.DropContent)] == [ONE]


@pytest.mark.parametrize("greets", [True, False])
def test_a_runner_about_to_end_is_asked_about_and_given_nothing(
    *, greets: bool
) -> None:
    """At once, while the scheduler still shows why; what it says changes nothing.

    It says hello again if it was not answered for long. Given work it would hand it
    back at once, and be given it again.
    """
    desk = Desk(BOOKS, max_workers=1)
    desk.add(2)
    peer, work = at_work(desk)
    desk.hear(peer, m.Warned(number=1, text="it was warned", ending=True))
    desk.tick()
    assert desk.take(i.Look)
    if greets:
        desk.hello(b.Handle("1"), holds=(work.grant,))
    desk.hear(peer, m.Beat(number=1, holds=(work.grant,), job=0))
    desk.report(peer, work)
    assert not desk.work()


def test_a_warning_that_ends_nothing_changes_nothing() -> None:
    """The runner works on."""
    desk = Desk(BOOKS, max_workers=1)
    desk.add(2)
    peer, work = at_work(desk)
    desk.hear(peer, m.Warned(number=1, text="it is near its end"))
    desk.tick()
    assert not desk.take(i.Look)
    desk.report(peer, work)
    assert len(desk.work()) == 1


def test_a_requeued_runner_resumes_its_job() -> None:
    """It comes back under the same handle: preempted, and on it goes."""
    desk, peer, work = working(resubmits=0)
    desk.hear(peer, m.Warned(number=1, text="it was warned", ending=True))
    desk.hear(peer, save(work, ONE))
    part(desk, peer, "signal")
    desk.tick()
    desk.looked(h1=b.SeenState.QUEUED)
    desk.hello(b.Handle("1"), nonce="second")
    (again,) = desk.work()
    assert (again.attempt, again.function) == (2, ONE)


def test_a_new_life_waits_for_the_checkpoint_of_the_old_one() -> None:
    """Grid Engine starts the one before it warns the other."""
    desk, peer, work = working(resubmits=0)
    desk.hello(b.Handle("1"), nonce="second")
    assert not desk.take(i.DeliverVerdict)
    desk.hear(peer, m.Warned(number=1, text="it was warned", job=0, ending=True))
    desk.hear(peer, save(work, ONE))
    (again,) = desk.work()
    assert (again.attempt, again.function) == (2, ONE)
    assert desk.books.fleet.by_handle[b.Handle("1")].nonce == "second"


@pytest.mark.parametrize("why", ["connection", "time"])
def test_a_new_life_does_not_wait_in_vain(why: str) -> None:
    """The old one is gone, or has nothing to say: it was preempted, and that is all."""
    desk, peer, _ = working()
    desk.hello(b.Handle("1"), nonce="second")
    assert not desk.work()
    if why == "connection":
        desk.tell(f.Disconnected(peer=peer))
    else:
        desk.tick(7.0)
    (again,) = desk.work()
    assert (again.attempt, again.function) == (2, b"f")


def test_a_new_life_that_hangs_up_is_not_waited_for() -> None:
    """The old one just goes on."""
    desk, peer, work = working()
    second = desk.hello(b.Handle("1"), nonce="second")
    desk.tell(f.Disconnected(peer=second))
    desk.tick(7.0)
    desk.report(peer, work)
    assert desk.ledger.settled
    assert not desk.verdicts()


@pytest.mark.parametrize("state", ["queued", "ended", "absent"])
def test_who_is_about_to_end_is_heard_out(state: str) -> None:
    """The scheduler takes it for gone, but its checkpoint is still on its way."""
    desk, peer, work = working(resubmits=0)
    desk.hear(peer, m.Warned(number=1, text="it was warned", job=0, ending=True))
    desk.tick()
    desk.looked(**({} if state == "absent" else {"h1": b.SeenState(state)}))
    desk.tick(1.0)
    assert not desk.take(i.HoldAutopsy)
    assert not desk.verdicts()
    desk.hear(peer, save(work, ONE))
    part(desk, peer, "signal")
    end(desk, b.Autopsy(ending=b.Ending.PREEMPTION))
    _, again = at_work(desk)
    assert (again.attempt, again.function) == (2, ONE)


def test_a_checkpoint_of_a_closed_grant_changes_nothing() -> None:
    """Another attempt is under way: it is acknowledged, and that is all."""
    desk, peer, work = working()
    desk.hear(peer, m.Returned(number=1, grant=work.grant, first=0, count=1))
    asked = desk.hear(peer, save(work, ONE))
    assert [type(one) for one in asked] == [i.Send]


def test_a_checkpoint_of_a_job_the_grant_has_not_breaks_the_protocol() -> None:
    """No runner that is in its right mind says that."""
    desk, peer, work = working()
    wrong = m.Checkpoint(number=2, grant=work.grant, job=5, digest=ONE)
    with pytest.raises(RemoteProtocolError):
        desk.hear(peer, wrong)


@pytest.mark.parametrize("end_of_it", ["result", "cancel"])
def test_what_nobody_needs_is_dropped(end_of_it: str) -> None:
    """When the job is final, the one in use and the one it left."""
    desk, peer, work = working()
    desk.hear(peer, save(work, ONE))
    part(desk, peer, "deadline")
    peer, work = at_work(desk)
    desk.hear(peer, save(work, TWO))
    if end_of_it == "result":
        desk.report(peer, work)
    else:
        desk.tell(f.JobsCancelled(first=0, stop=1))
    assert {d.digest for d in desk.take(i.DropContent)} == {ONE, TWO}
    assert not desk.books.jobs.checkpoints


class Contents(RuleBasedStateMachine):
    """Checkpoints beside a plain list of who needs what."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoints = Checkpoints()
        self.left: dict[int, tuple[bytes, int]] = {}
        self.used: dict[int, bytes] = {}
        self.stored: set[bytes] = set()

    JOBS = st.integers(0, 3)
    DIGESTS = st.sampled_from([b"a", b"b", b"c"])

    @rule(job=JOBS, digest=DIGESTS, attempt=st.integers(1, 3))
    def keep(self, job: int, digest: bytes, attempt: int) -> None:
        self.checkpoints.keep(job, digest, attempt)
        self.left[job] = (digest, attempt)
        self.stored.add(digest)

    @rule(job=JOBS)
    def resume(self, job: int) -> None:
        expected = self.left.pop(job, (b"function", 0))[0]
        assert self.checkpoints.resume(job, b"function") == expected
        if expected != b"function":
            self.used[job] = expected

    @rule(job=JOBS)
    def forget(self, job: int) -> None:
        self.checkpoints.forget(job)
        self.left.pop(job, None)
        self.used.pop(job, None)

    @invariant()
    def only_what_is_needed_is_stored(self) -> None:
        self.stored.difference_update(self.checkpoints.unneeded)
        self.checkpoints.unneeded.clear()
        needed = {digest for digest, _ in self.left.values()} | set(self.used.values())
        assert self.stored == needed
        assert bool(self.checkpoints) == bool(needed)

    @invariant()
    def only_its_own_attempt_left_one(self) -> None:
        for job, (_, attempt) in self.left.items():
            assert self.checkpoints.left(job, attempt)
            assert not self.checkpoints.left(job, attempt + 1)


TestContents = Contents.TestCase
