"""What runners say of themselves and of their jobs, and what follows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap.errors import RemoteProtocolError
from gridmap.events import JobsDone, RunnerVitals
from gridmap.lifecycle import JobState, JobStep, RunnerState, move_jobs
from gridmap.monitor import diagnosis
from gridmap.monitor.instructions import Deliver, Send
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.inquest import Inquest
    from gridmap.monitor.jobs import Grant
    from gridmap.monitor.staffing import Staffing
    from gridmap.monitor.supply import Supply

_LOST_S: Final = 5.0
"""Beyond two heartbeats: work a runner does not know of by then was lost."""


class Hearing:
    """Takes in the messages of runners that were let in."""

    def __init__(
        self, books: Books, staffing: Staffing, inquest: Inquest, supply: Supply
    ) -> None:
        self._books = books
        self._staffing = staffing
        self._inquest = inquest
        self._supply = supply
        self._messages: dict[type[m.FromRunner], Callable[[Runner, Any], None]] = {
            m.Beat: self._beat,
            m.Report: self._report,
            m.WorkerLost: self._worker_lost,
            m.Returned: self._returned,
            m.Goodbye: self._goodbye,
        }

    def hear(self, runner: Runner, message: m.FromRunner) -> None:
        """Take in one message.

        Raises:
            RemoteProtocolError: If it speaks of jobs its grant does not have.
        """
        self._messages[type(message)](runner, message)

    def _beat(self, runner: Runner, beat: m.Beat) -> None:
        books, policy = self._books, self._books.policy
        io_bytes = (beat.read or 0) + (beat.written or 0)
        runner.peak = max(runner.peak, beat.peak)
        books.publish(
            RunnerVitals,
            runner=runner.number,
            cpu_s=beat.cpu,
            rss=beat.rss,
            peak_rss=beat.peak,
            io_bytes=io_bytes,
            job=beat.job,
            running_s=beat.running,
        )
        if beat.job is None or beat.job != runner.job or self._moved(runner, beat):
            runner.vitals, runner.vitals_since = (beat.cpu, io_bytes), books.now
        runner.job = beat.job
        old = books.now - 2 * policy.interval_s - _LOST_S
        for grant in list(runner.grants.values()):
            if grant.number not in beat.holds and grant.at < old:
                books.put_back(grant, runner.group, grant.span.first, grant.span.stop)
                self._supply.dispatch(runner.group)
        idle = books.now - runner.vitals_since
        if policy.stall_s is not None and idle > policy.stall_s:
            self._stalled(runner, idle)

    def _moved(self, runner: Runner, beat: m.Beat) -> bool:
        cpu, io_bytes = runner.vitals
        idle = self._books.now - runner.vitals_since
        used = beat.cpu - cpu > 0.001 * max(idle, 1.0)
        return used or (beat.read or 0) + (beat.written or 0) != io_bytes

    def _stalled(self, runner: Runner, idle: float) -> None:
        job = runner.job
        runner.vitals_since = self._books.now
        grant = self._books.jobs.grant_of(job) if job is not None else None
        if grant is None or job is None or grant.runner != runner.number:
            return
        text = f"no processor time, no I/O and no progress for {idle:.0f} s"
        said = Statement(
            witness=Witness.HEARTBEAT,
            text=text,
            cause=Cause.STALLED,
            peak_memory=runner.peak or None,
        )
        if runner.peer is not None:
            message = m.Cancel(grant=grant.number, first=job, count=1)
            self._books.ask(Send(peer=runner.peer, message=message))
        self._inquest.end_job(runner, grant, job, [said])
        self._supply.dispatch(runner.group)

    def _held(self, runner: Runner, number: int, first: int, stop: int) -> Grant | None:
        """Return the open grant these jobs belong to; None if it is no longer open."""
        grant = self._books.jobs.grants.get(number)
        if grant is None or grant.runner != runner.number:
            return None
        if first < grant.span.first or stop > grant.span.stop:
            msg = f"runner {runner.handle} spoke of jobs that grant {number} has not"
            raise RemoteProtocolError(msg)
        return grant

    def _report(self, runner: Runner, report: m.Report) -> None:
        books = self._books
        stop = report.first + report.count
        grant = self._held(runner, report.grant, report.first, stop)
        if grant is None:
            return
        runner.group.measured(report.seconds, report.count)
        failed = {report.first + fail.offset: fail for fail in report.failures}
        queued = runner.group.queued
        for first, last in list(books.jobs.runs(report.first, stop, JobState.GRANTED)):
            start = first
            for job in sorted(job for job in failed if first <= job < last):
                self._succeed(runner, grant, report, start, job)
                self._fail(runner, grant, report, failed[job])
                start = job + 1
            self._succeed(runner, grant, report, start, last)
        if runner.group.queued > queued:
            self._supply.dispatch(runner.group)
        self._supply.supply(runner)

    def _succeed(
        self, runner: Runner, grant: Grant, report: m.Report, first: int, stop: int
    ) -> None:
        if first >= stop:
            return
        books = self._books
        move_jobs(books.jobs.states, first, stop, JobStep.SUCCEED)
        runner.group.open -= stop - first
        books.settle(grant, first, stop)
        offset = first - report.first
        books.ask(Deliver(first=first, stop=stop, offset=offset, failures=()))
        seconds = report.seconds * (stop - first) / report.count
        books.publish(
            JobsDone, first=first, stop=stop, runner=runner.number, seconds=seconds
        )

    def _fail(
        self, runner: Runner, grant: Grant, report: m.Report, failure: m.Failure
    ) -> None:
        books, job = self._books, report.first + failure.offset
        said = Statement(
            witness=Witness.WORKER,
            text=_KIND_TEXTS[failure.kind],
            cause=_KIND_CAUSES[failure.kind],
            exit_status=failure.status,
        )
        span = attrs.evolve(grant.span, first=job, stop=job + 1)
        verdict = books.verdict(job, span.attempt, [said], runner)
        again = books.end_attempt(span, verdict)
        books.settle(grant, job, job + 1)
        if not again:
            only = m.Failure(offset=0, kind=failure.kind, status=failure.status)
            books.ask(
                Deliver(
                    first=job, stop=job + 1, offset=failure.offset, failures=(only,)
                )
            )

    def _worker_lost(self, runner: Runner, lost: m.WorkerLost) -> None:
        grant = self._held(runner, lost.grant, lost.job, lost.job + 1)
        if grant is None or self._books.jobs.states[lost.job] != JobState.GRANTED:
            return
        runner.log_tail = lost.tail
        self._inquest.end_job(runner, grant, lost.job, diagnosis.from_worker(lost))
        self._supply.dispatch(runner.group)
        self._supply.supply(runner)

    def _returned(self, runner: Runner, back: m.Returned) -> None:
        stop = back.first + back.count
        grant = self._held(runner, back.grant, back.first, stop)
        if grant is not None:
            self._books.put_back(grant, runner.group, back.first, stop)
            grant.recalled = False
            self._supply.dispatch(runner.group)

    def _goodbye(self, runner: Runner, goodbye: m.Goodbye) -> None:
        runner.job = goodbye.job
        runner.log_tail = goodbye.tail or runner.log_tail
        statement = diagnosis.from_goodbye(goodbye)
        if goodbye.reason == "broken":
            self._inquest.broken(runner, statement)
        elif goodbye.reason == "signal" and runner.state is not RunnerState.STOPPING:
            runner.statements.append(statement)
            self._inquest.doubt(runner)
        else:
            if goodbye.job is not None:
                self._inquest.release(runner, [statement])
            for grant in list(runner.grants.values()):
                span = grant.span
                self._books.put_back(grant, runner.group, span.first, span.stop)
            self._staffing.remove(runner, goodbye.text or goodbye.reason)
            self._staffing.staff_all()


_KIND_TEXTS: Final = {
    m.Kind.RAISED: "the function raised an exception",
    m.Kind.UNPICKLABLE: "the function returned, but its value cannot be sent",
    m.Kind.EXITED: "the function asked its process to exit",
}

_KIND_CAUSES: Final = {
    m.Kind.RAISED: Cause.RAISED,
    m.Kind.UNPICKLABLE: Cause.UNPICKLABLE,
    m.Kind.EXITED: Cause.EXITED,
}
