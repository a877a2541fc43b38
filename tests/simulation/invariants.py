"""What must hold after every step, recomputed from the tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gridmap.lifecycle import JobState, RunnerState

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.jobs import JobTable

_LIVING = {
    RunnerState.REQUESTED,
    RunnerState.QUEUED,
    RunnerState.UP,
    RunnerState.SUSPECT,
}


def check_books(books: Books) -> None:
    """Compare every counter with what it counts."""
    _check_groups(books)
    _check_queues(books.jobs)
    _check_grants(books)
    _check_fleet(books)
    _check_memory(books.jobs)


def _check_groups(books: Books) -> None:
    jobs = books.jobs
    queued: Counter[int] = Counter()
    still_open: Counter[int] = Counter()
    for job, byte in enumerate(jobs.states):
        state = JobState(byte)
        of = id(jobs.group_of(job))
        queued[of] += state is JobState.QUEUED
        still_open[of] += not state.final
    up = Counter(id(r.group) for r in books.fleet if r.state is RunnerState.UP)
    for group in jobs.groups.values():
        assert group.queued == queued[id(group)], (group.queued, queued[id(group)])
        assert group.open == still_open[id(group)]
        assert group.crew.up == up[id(group)]


def _check_queues(jobs: JobTable) -> None:
    waiting: Counter[int] = Counter()
    for group in jobs.groups.values():
        for span in group.waiting:
            for job in range(span.first, span.stop):
                if jobs.states[job] == JobState.QUEUED:
                    waiting[job] += 1
                    assert jobs.group_of(job) is group, f"job {job} waits elsewhere"
    delayed = Counter(
        job
        for entry in jobs.delayed
        for job in range(entry[-2].first, entry[-2].stop)
        if jobs.states[job] == JobState.DELAYED
    )
    for job, byte in enumerate(jobs.states):
        state = JobState(byte)
        assert waiting[job] == (state is JobState.QUEUED), f"job {job} {state}"
        assert delayed[job] == (state is JobState.DELAYED), f"job {job} {state}"


def _check_grants(books: Books) -> None:
    jobs, fleet = books.jobs, books.fleet
    held: Counter[int] = Counter()
    left: Counter[int] = Counter()
    for number, grant in jobs.grants.items():
        runner = fleet.runners.get(grant.runner)
        assert runner is not None, f"grant {number} of a runner that is gone"
        assert runner.grants.get(number) is grant
        mine = [j for j in range(grant.span.first, grant.span.stop) if grant.holds(j)]
        assert grant.left == len(mine) > 0, f"grant {number}"
        held.update(mine)
        left[grant.runner] += grant.left
    for job, byte in enumerate(jobs.states):
        granted = JobState(byte) is JobState.GRANTED
        assert held[job] == granted, f"job {job} is held {held[job]} times"
    for runner in fleet:
        assert runner.left == left[runner.number], f"runner {runner.number}"
        assert set(runner.grants) <= set(jobs.grants)


def _check_fleet(books: Books) -> None:
    fleet = books.fleet
    runners = list(fleet)
    for runner in runners:
        assert runner.state is not RunnerState.GONE
        if runner.handle is not None:
            assert fleet.by_handle[runner.handle] is runner
        else:
            assert runner.state is RunnerState.REQUESTED
        if runner.peer is not None:
            assert fleet.by_peer[runner.peer] is runner
    assert len(fleet.by_handle) == sum(r.handle is not None for r in runners)
    assert len(fleet.by_peer) == sum(r.peer is not None for r in runners)
    living = sum(r.state in _LIVING for r in runners)
    if books.policy.max_workers is not None:
        assert living <= books.policy.max_workers


def _check_memory(jobs: JobTable) -> None:
    for job in (*jobs.histories, *jobs._moved):
        assert not JobState(jobs.states[job]).final, f"job {job} is remembered"
    assert sum(len(group.waiting) for group in jobs.groups.values()) <= len(jobs.states)
