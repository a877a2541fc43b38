"""Jobs that nobody wants any more: wherever they are, they end. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.events import JobFailed, JobsCancelled
from gridmap.lifecycle import JobState, JobStep
from gridmap.monitor.instructions import DeliverVerdict
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor import facts as f
    from gridmap.monitor.books import Books
    from gridmap.monitor.jobs import Grant, Group
    from gridmap.monitor.staffing import Staffing
    from gridmap.monitor.supply import Supply


class Cancellation:
    """Ends jobs that are not over; runners drop those they have."""

    def __init__(self, books: Books, staffing: Staffing, supply: Supply) -> None:
        self._books = books
        self._staffing = staffing
        self._supply = supply

    def cancel(self, fact: f.JobsCancelled) -> None:
        """End jobs that their user takes back, without a word to him."""
        jobs, first, stop = self._books.jobs, fact.first, fact.stop
        self._books.publish(JobsCancelled, first=first, stop=stop)

        def end(group: Group, first: int, stop: int, _: Grant | None) -> None:
            jobs.end(group, first, stop, JobStep.CANCEL)

        self._end_all(first, stop, end)

    def kill(self, fact: f.JobsKilled) -> None:
        """End jobs that their user kills: each gets a verdict."""

        def end(group: Group, first: int, stop: int, grant: Grant | None) -> None:
            for job in range(first, stop):
                self._kill(group, job, grant, fact.by)

        self._end_all(fact.first, min(fact.stop, len(self._books.jobs.states)), end)

    def _end_all(
        self,
        first: int,
        stop: int,
        end: Callable[[Group, int, int, Grant | None], None],
    ) -> None:
        """End jobs ``first`` to ``stop - 1``, first those a runner could be given.

        Args:
            first: The first job.
            stop: One past the last.
            end: Ends jobs of a group, which were granted so or were not.
        """
        jobs = self._books.jobs
        for job in range(first, stop):
            state = JobState(jobs.states[job])
            if state in (JobState.QUEUED, JobState.DELAYED):
                group = jobs.group_of(job)
                group.queued -= state is JobState.QUEUED
                end(group, job, job + 1, None)
        if jobs.states.count(JobState.GRANTED, first, stop):
            grants = jobs.grants.values()
            for grant in [g for g in grants if g.span.meets(first, stop)]:
                self._end_granted(grant, first, stop, end)
        for group in jobs.groups.values():
            if not group.queued:
                group.waiting.clear()
            self._staffing.drop_surplus(group)

    def _end_granted(
        self,
        grant: Grant,
        first: int,
        stop: int,
        end: Callable[[Group, int, int, Grant | None], None],
    ) -> None:
        runner = self._books.fleet.runners[grant.runner]
        runs = list(grant.runs(first, stop))
        for run_first, run_stop in runs:
            self._books.settle(grant, run_first, run_stop)
            end(grant.group, run_first, run_stop, grant)
            self._supply.revoke(runner, grant.number, run_first, run_stop)
        if runs:
            self._supply.supply(runner)

    def _kill(self, group: Group, job: int, grant: Grant | None, by: str) -> None:
        books, jobs = self._books, self._books.jobs
        runner = None
        if grant is not None:
            runner, attempt = books.fleet.runners[grant.runner], grant.span.attempt
        else:
            attempt = jobs.doubles.attempts.get(job, 0)
            attempt = max(attempt, 1 + len(jobs.histories.get(job, ())))
        said = Statement(
            witness=Witness.USER, text=f"killed through {by}", cause=Cause.CANCELLED
        )
        verdict = books.verdict(job, attempt, [said], runner)
        books.publish(JobFailed, job=job, verdict=verdict, again=False)
        books.ask(DeliverVerdict(job=job, verdict=verdict))
        jobs.end(group, job, job + 1, JobStep.FAIL)
