"""The table of jobs beside a dict that knows each job by itself."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gridmap.errors import LocalProtocolError
from gridmap.lifecycle import JobState, JobStep
from gridmap.monitor.jobs import Grant, Group, JobTable, Span
from gridmap.resources import Resources
from gridmap.verdict import Cause, Verdict

KINDS = (Resources(), Resources(cores=2))
HELD = st.binary(min_size=1, max_size=12).map(lambda b: bytes(x & 1 for x in b))


def make_grant(held: bytes, first: int = 5) -> Grant:
    span = Span(first, first + len(held), 1, b"f")
    return Grant(1, 1, Group(Resources()), span, 0.0, 0, sum(held), bytearray(held))


@given(HELD, st.integers(0, 20), st.integers(0, 20))
def test_a_grant_knows_what_it_answers_for(held: bytes, first: int, stop: int) -> None:
    """The stretches between any two jobs are those a loop would find."""
    grant = make_grant(held)
    mine = [5 + offset for offset, byte in enumerate(held) if byte]
    runs = list(grant.runs(first, stop))
    assert [j for a, b in runs for j in range(a, b)] == [
        job for job in mine if first <= job < stop
    ]
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(runs))
    assert [job for job in range(30) if grant.holds(job)] == mine
    assert grant.next == (mine[0] if mine else None)


class Life(RuleBasedStateMachine):
    """Every way a job can go, by ranges here and one by one there."""

    def __init__(self) -> None:
        super().__init__()
        self.table = JobTable()
        self.now = 0.0
        self.state: dict[int, JobState] = {}
        self.group: dict[int, Group] = {}
        self.holder: dict[int, int] = {}
        self.attempt: dict[int, int] = {}
        self.wakes: dict[int, float] = {}

    @rule(count=st.integers(1, 9), kind=st.sampled_from(KINDS))
    def add(self, count: int, kind: Resources) -> None:
        first = len(self.state)
        group = self.table.group(kind)
        self.table.add(first, first + count, b"f", group)
        for job in range(first, first + count):
            self.state[job], self.group[job] = JobState.QUEUED, group
            self.attempt[job] = 1

    @precondition(lambda self: self.table.groups)
    @rule(data=st.data(), most=st.integers(1, 6))
    def take(self, data: st.DataObject, most: int) -> None:
        group = data.draw(st.sampled_from(list(self.table.groups.values())))
        queued = [job for job, state in self.state.items() if state is JobState.QUEUED]
        mine = [job for job in queued if self.group[job] is group]
        span = self.table.take(group, most)
        if span is None:
            assert not mine
            return
        grant = self.table.grant(span, group, runner=1, now=self.now, beat=0)
        assert 1 <= len(span) <= most
        for job in range(span.first, span.stop):
            assert job in mine
            assert self.attempt[job] == span.attempt
            self.state[job], self.holder[job] = JobState.GRANTED, grant.number

    @precondition(lambda self: self.table.grants)
    @rule(data=st.data(), what=st.sampled_from(["end", "back", "again", "later"]))
    def leave(self, data: st.DataObject, what: str) -> None:
        number = data.draw(st.sampled_from(list(self.table.grants)))
        grant = self.table.grants[number]
        first = data.draw(st.integers(grant.span.first, grant.span.stop - 1))
        stop = data.draw(st.integers(first + 1, grant.span.stop))
        jobs = [j for j in range(first, stop) if self.holder.get(j) == number]
        for run_first, run_stop in list(grant.runs(first, stop)):
            self.table.settle(grant, run_first, run_stop)
            if what == "end":
                step = data.draw(st.sampled_from([JobStep.SUCCEED, JobStep.FAIL]))
                self.table.end(grant.group, run_first, run_stop, step)
            elif what == "back":
                span = grant.span.part(run_first, run_stop)
                self.table.again(span, grant.group, None)
            else:
                for job in range(run_first, run_stop):
                    self._again(grant, job, data, later=what == "later")
        for job in jobs:
            del self.holder[job]
            self.state[job] = JobState(self.table.states[job])
            expected = {
                "end": {JobState.DONE, JobState.FAILED},
                "later": {JobState.DELAYED},
            }.get(what, {JobState.QUEUED})
            assert self.state[job] in expected

    def _again(
        self, grant: Grant, job: int, data: st.DataObject, *, later: bool
    ) -> None:
        group = grant.group
        self.table.histories[job] = [Verdict(cause=Cause.LOST)]
        if data.draw(st.booleans()):
            group.open -= 1
            kind = data.draw(st.sampled_from(KINDS))
            group = self.group[job] = self.table.reassign(job, kind)
            group.open += 1
        self.attempt[job] += 1
        span = Span(job, job + 1, self.attempt[job], b"f")
        at = self.now + data.draw(st.floats(0.1, 9)) if later else None
        if at is not None:
            self.wakes[job] = at
        self.table.again(span, group, at)

    @rule(seconds=st.floats(0, 5))
    def wake(self, seconds: float) -> None:
        self.now += seconds
        self.table.wake(self.now)
        for job, at in list(self.wakes.items()):
            if at <= self.now:
                del self.wakes[job]
                if self.state[job] is JobState.DELAYED:
                    self.state[job] = JobState.QUEUED

    @precondition(lambda self: self.state)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.state)))
        if self.state[job] in {JobState.QUEUED, JobState.DELAYED}:
            group = self.table.group_of(job)
            group.queued -= self.state[job] is JobState.QUEUED
            self.table.end(group, job, job + 1, JobStep.CANCEL)
            self.state[job] = JobState.CANCELLED

    @invariant()
    def both_agree(self) -> None:
        table = self.table
        assert [JobState(byte) for byte in table.states] == list(self.state.values())
        for group in table.groups.values():
            states = [s for j, s in self.state.items() if self.group[j] is group]
            assert group.queued == states.count(JobState.QUEUED)
            assert group.open == sum(not state.final for state in states)
            assert all(
                g.left > 1 and n in table.grants for n, g in group.loaded.items()
            )
        for job, state in self.state.items():
            if not state.final:
                assert table.group_of(job) is self.group[job]
        held = {
            job: number
            for number, grant in table.grants.items()
            for job in range(grant.span.first, grant.span.stop)
            if grant.holds(job)
        }
        assert held == self.holder
        assert table.open == sum(not state.final for state in self.state.values())

    @invariant()
    def what_ended_is_forgotten(self) -> None:
        for job in (*self.table.histories, *self.table._moved):
            assert not self.state[job].final


TestLife = Life.TestCase


def test_what_is_put_back_comes_first() -> None:
    """Its users have waited longest."""
    table = JobTable()
    group = table.group(Resources())
    table.add(0, 10, b"f", group)
    span = table.take(group, 3)
    assert span == Span(0, 3, 1, b"f")
    grant = table.grant(span, group, runner=1, now=0.0, beat=0)
    table.settle(grant, 0, 3)
    table.again(span, group, None)
    assert table.take(group, 10) == span


def test_equal_jobs_are_one_range_whatever_they_come_in() -> None:
    """A million submissions of one job each are one entry."""
    table = JobTable()
    group = table.group(Resources())
    for job in range(100):
        table.add(job, job + 1, b"f", group)
    table.add(100, 101, b"g", group)
    assert list(group.waiting) == [Span(0, 100, 1, b"f"), Span(100, 101, 1, b"g")]


def test_cancelled_jobs_are_passed_over() -> None:
    """Those before, between and behind the others."""
    table = JobTable()
    group = table.group(Resources())
    table.add(0, 10, b"f", group)
    for job in (0, 1, 4, 9):
        group.queued -= 1
        table.end(group, job, job + 1, JobStep.CANCEL)
    taken = []
    while (span := table.take(group, 100)) is not None:
        taken.append((span.first, span.stop))
        table.grant(span, group, runner=1, now=0.0, beat=0)
    assert taken == [(2, 4), (5, 9)]
    assert group.queued == 0


def test_a_job_cannot_end_twice() -> None:
    """The table of states forbids it, whoever asks."""
    table = JobTable()
    group = table.group(Resources())
    table.add(0, 1, b"f", group)
    table.end(group, 0, 1, JobStep.CANCEL)
    with pytest.raises(LocalProtocolError):
        table.end(group, 0, 1, JobStep.FAIL)


def test_the_mean_follows_what_is_measured() -> None:
    """Late measurements count more than early ones."""
    group = Group(Resources())
    group.measured(10.0, 10)
    assert group.mean_s == 1.0
    for _ in range(30):
        group.measured(4.0, 2)
    assert group.mean_s == pytest.approx(2.0, rel=0.01)
