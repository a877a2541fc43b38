"""Jobs that the user killed: wherever they are, they end with a verdict. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.events import JobFailed
from gridmap.lifecycle import JobState, JobStep
from gridmap.monitor.instructions import DeliverVerdict
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.facts import JobsKilled
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group
    from gridmap.monitor.supply import Supply


def kill_jobs(books: Books, supply: Supply, fact: JobsKilled) -> None:
    """End jobs that are not over, for good; runners drop those they have."""
    jobs = books.jobs
    stop = min(fact.stop, len(jobs.states))
    for job in range(fact.first, stop):  # first those that a runner could be given
        state = JobState(jobs.states[job])
        if state in (JobState.QUEUED, JobState.DELAYED):
            group = jobs.group_of(job)
            group.queued -= state is JobState.QUEUED
            attempt = jobs.doubles.attempts.get(job, 0)
            attempt = max(attempt, 1 + len(jobs.histories.get(job, ())))
            _end(books, group, job, attempt, fact.by, None)
    grants = list(jobs.grants.values())
    for grant in [g for g in grants if g.span.meets(fact.first, stop)]:
        runner = books.fleet.runners[grant.runner]
        runs = list(grant.runs(fact.first, stop))
        for first, last in runs:
            books.settle(grant, first, last)
            for job in range(first, last):
                _end(books, grant.group, job, grant.span.attempt, fact.by, runner)
            supply.revoke(runner, grant.number, first, last)
        if runs:
            supply.supply(runner)
    for group in jobs.groups.values():
        if not group.queued:
            group.waiting.clear()


def _end(
    books: Books, group: Group, job: int, attempt: int, by: str, runner: Runner | None
) -> None:
    said = Statement(
        witness=Witness.USER, text=f"killed through {by}", cause=Cause.CANCELLED
    )
    verdict = books.verdict(job, attempt, [said], runner)
    books.publish(JobFailed, job=job, verdict=verdict, again=False)
    books.ask(DeliverVerdict(job=job, verdict=verdict))
    books.jobs.end(group, job, job + 1, JobStep.FAIL)
