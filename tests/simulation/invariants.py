"""What must hold after every step, recomputed from the tables.

Everything here is a few operations on bytes and small dictionaries: it is done after
every step of every run, and the runs are many.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gridmap.lifecycle import JobState, RunnerState

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.jobs import Grant, Group, JobTable
    from gridmap.monitor.ledger import Ledger

_LIVING = {
    RunnerState.REQUESTED,
    RunnerState.QUEUED,
    RunnerState.UP,
    RunnerState.SUSPECT,
}
_MOST_STATEMENTS: Final = 20
"""What witnesses say of one life of one runner: more would be growth without end."""


def _mask(*states: JobState) -> bytes:
    return bytes(byte in states for byte in range(256))


_QUEUED: Final = _mask(JobState.QUEUED)
_GRANTED: Final = _mask(JobState.GRANTED)
_FINAL: Final = _mask(*(state for state in JobState if state.final))
_TOLD: Final = _mask(JobState.DONE, JobState.FAILED)
_CANCELLED: Final = _mask(JobState.CANCELLED)


def check_told(books: Books, delivered: bytearray, cancelled: bytearray) -> None:
    """See that the user was told of all that ended, of nothing else, and once.

    Args:
        books: The ledger's.
        delivered: For each job, how often it was delivered.
        cancelled: For each job, whether the user took it back (or ended the run).
    """
    states = books.jobs.states
    told = states.translate(_TOLD)
    assert told == delivered[: len(states)], [
        (job, JobState(states[job]).name, delivered[job])
        for job in range(len(states))
        if told[job] != delivered[job]
    ]
    if JobState.CANCELLED in states:
        mask = int.from_bytes(states.translate(_CANCELLED))
        meant = int.from_bytes(cancelled[: len(states)])
        assert not mask & ~meant, "a job was cancelled that nobody took back"


def check_books(ledger: Ledger) -> None:
    """Compare every counter with what it counts, and see that nothing piles up."""
    books = ledger._books
    _check_groups(books)
    _check_queues(books.jobs)
    _check_grants(books)
    _check_seconds(books)
    _check_fleet(books, resumed=ledger._restored)
    _check_memory(ledger)


def fingerprint(books: Books) -> object:
    """Return something that changes whenever the tables do."""
    jobs = books.jobs
    runners = [(r.state, r.left, r.handle, r.peer) for r in books.fleet]
    seconds = tuple(jobs.doubles.seconds)
    return bytes(jobs.states), jobs._next_grant, seconds, len(jobs.delayed), runners


def _check_groups(books: Books) -> None:
    jobs, states = books.jobs, books.jobs.states
    queued: Counter[int] = Counter()
    still_open: Counter[int] = Counter()
    ended = states.translate(_FINAL)
    segments = jobs._segments
    stops = [*(first for first, _ in segments[1:]), len(states)]
    for (first, group), stop in zip(segments, stops, strict=False):
        queued[id(group)] += states.count(JobState.QUEUED, first, stop)
        still_open[id(group)] += stop - first - sum(ended[first:stop])
    moved, jobs._moved = jobs._moved, {}
    for job, group in moved.items():
        for of, change in ((jobs.group_of(job), -1), (group, 1)):
            queued[id(of)] += change * (states[job] == JobState.QUEUED)
            still_open[id(of)] += change * (1 - ended[job])
    jobs._moved = moved
    up: Counter[int] = Counter()
    for runner in books.fleet:
        up[id(runner.group)] += runner.state is RunnerState.UP
    for group in jobs.groups.values():
        assert group.queued == queued[id(group)], (group.queued, queued[id(group)])
        assert group.open == still_open[id(group)], (group.open, still_open[id(group)])
        assert group.crew.up == up[id(group)]


def _check_queues(jobs: JobTable) -> None:
    states = jobs.states
    marked = bytearray(len(states))
    places = 0
    for group in jobs.groups.values():
        for span in group.waiting:
            count = states.count(JobState.QUEUED, span.first, span.stop)
            if count:
                places += count
                marked[span.first : span.stop] = b"\1" * len(span)
                _check_place(jobs, span.first, group)
                _check_place(jobs, span.stop - 1, group)
    assert places == states.count(JobState.QUEUED), f"{places} places for waiting jobs"
    waiting = int.from_bytes(states.translate(_QUEUED))
    assert not waiting & ~int.from_bytes(marked), "a job waits where nobody looks"
    delayed = Counter(
        job
        for entry in jobs.delayed
        for job in range(entry[-2].first, entry[-2].stop)
        if states[job] == JobState.DELAYED
    )
    assert len(delayed) == states.count(JobState.DELAYED)
    assert all(count == 1 for count in delayed.values()), delayed


def _check_place(jobs: JobTable, job: int, group: Group) -> None:
    if jobs.states[job] == JobState.QUEUED:
        assert jobs.group_of(job) is group, f"job {job} waits elsewhere"


def _check_grants(books: Books) -> None:
    jobs, fleet = books.jobs, books.fleet
    marked = bytearray(len(jobs.states))
    left: Counter[int] = Counter()
    for number, grant in jobs.grants.items():
        runner = fleet.runners.get(grant.runner)
        assert runner is not None, f"grant {number} of a runner that is gone"
        assert runner.grants.get(number) is grant
        _mark(marked, grant)
        left[grant.runner] += grant.left
    granted = jobs.states.translate(_GRANTED)
    assert marked == granted, [
        f"job {job} is held: {marked[job]}, granted: {granted[job]}"
        for job in range(len(marked))
        if marked[job] != granted[job]
    ]
    for runner in fleet:
        assert runner.left == left[runner.number], f"runner {runner.number}"
        assert runner.grants.keys() <= jobs.grants.keys()


def _check_seconds(books: Books) -> None:
    """See that a job has at most two attempts, of which one counts."""
    jobs, seconds = books.jobs, books.jobs.doubles.seconds
    for number, second in seconds.items():
        first, runner = second.twin, books.fleet.runners[second.runner]
        assert first is not None, f"grant {number} is second to none"
        assert first.twin is second, f"grant {number} is second to another's first"
        assert jobs.grants.get(first.number) is first, f"grant {number} outlives"
        assert first.next == second.span.first
        assert (first.left, second.left, bytes(second.held)) == (1, 0, b"\0")
        assert first.span.attempt < second.span.attempt
        assert number not in jobs.grants
        assert runner.second is second
        assert runner.number != first.runner
        assert not runner.grants, f"runner {runner.number} has grants besides"
        assert runner.number not in runner.group.idle
    runners = [r for r in books.fleet if r.second is not None]
    assert len(runners) == len(seconds)
    twinned = [g for g in jobs.grants.values() if g.twin is not None]
    assert len(twinned) == len(seconds)
    assert not seconds or books.policy.speculate
    assert not books.revoked


def _mark(marked: bytearray, grant: Grant) -> None:
    first, stop, held = grant.span.first, grant.span.stop, grant.held
    assert grant.left == held.count(1) > 0, f"grant {grant.number}"
    if stop - first == 1:
        marked[first] += 1
        return
    before, mine = int.from_bytes(marked[first:stop]), int.from_bytes(held)
    assert not before & mine, f"jobs of grant {grant.number} are held twice"
    marked[first:stop] = (before | mine).to_bytes(stop - first)


def _check_fleet(books: Books, *, resumed: bool) -> None:
    fleet = books.fleet
    named = known = living = 0
    for runner in fleet:
        state = runner.state
        assert state is not RunnerState.GONE
        living += state in _LIVING
        if runner.handle is not None:
            named += 1
            assert fleet.by_handle[runner.handle] is runner
        else:
            assert state is RunnerState.REQUESTED
        if runner.peer is not None:
            known += 1
            assert fleet.by_peer[runner.peer] is runner
        assert len(runner.statements) <= _MOST_STATEMENTS, runner.statements
    assert len(fleet.by_handle) == named
    assert len(fleet.by_peer) == known
    assert fleet.crew.living == living
    if books.policy.max_workers is not None and not resumed:
        # A run that is resumed has those as well that were about to be ended.
        assert living <= books.policy.max_workers


def _check_memory(ledger: Ledger) -> None:
    """See that no table grows with what happens, only with what there is."""
    books, jobs = ledger._books, ledger._books.jobs
    for job in (*jobs.histories, *jobs._moved, *jobs.doubles.attempts):
        assert not JobState(jobs.states[job]).final, f"job {job} is remembered"
    spans = sum(len(group.waiting) for group in jobs.groups.values())
    assert spans <= len(jobs.states)
    for group in jobs.groups.values():
        assert group.idle.keys() <= books.fleet.runners.keys(), group.idle
        assert group.loaded.keys() <= jobs.grants.keys(), group.loaded
    assert len(books.starving) <= len(jobs.groups)
    for number, heir in ledger._succession._heirs.items():
        runner = books.fleet.runners.get(number)
        twice = runner is not None and runner.nonce == heir.hello.nonce
        assert not twice, f"runner {number} waits to be let in, and is in"
    if not any(r.state is RunnerState.REQUESTED for r in books.fleet):
        assert not ledger._greeting._early, ledger._greeting._early
