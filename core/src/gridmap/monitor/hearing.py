"""What runners say of themselves and of their jobs, and what follows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.errors import RemoteProtocolError
from gridmap.events import JobOutput, JobProgress, JobsDone, RunnerVitals
from gridmap.lifecycle import JobStep, RunnerState
from gridmap.monitor import diagnosis, testimony, twins
from gridmap.monitor.instructions import Deliver, KeepContent, Send
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Statement, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.inquest import Inquest
    from gridmap.monitor.jobs import Grant
    from gridmap.monitor.speculation import Speculation
    from gridmap.monitor.staffing import Staffing
    from gridmap.monitor.starting import Starting
    from gridmap.monitor.supply import Supply

_ASK_WHERE: Final = 0.75
"""Part of the stall limit after which an idle job is asked where it is."""

_ANSWER_S: Final = 5.0
"""How long it is waited for the answer to that, beyond the stall limit if need be."""

_LEAST_CPU_S: Final = 0.02
"""Processor time that is no movement: the clock's own step, and what answering costs."""

_LOST_S: Final = 5.0
"""Beyond two heartbeats: work a runner does not know of by then was lost."""


class Hearing:
    """Takes in the messages of runners that were let in."""

    def __init__(
        self,
        books: Books,
        staffing: Staffing,
        starting: Starting,
        inquest: Inquest,
        supply: Supply,
        speculation: Speculation,
    ) -> None:
        self._books = books
        self._staffing = staffing
        self._starting = starting
        self._inquest = inquest
        self._supply = supply
        self._speculation = speculation
        self._messages: dict[type[m.FromRunner], Callable[[Runner, Any], None]] = {
            m.Beat: self._beat,
            m.Live: self._live,
            m.Stack: self._stack,
            m.Report: self._report,
            m.WorkerLost: self._worker_lost,
            m.Returned: self._returned,
            m.Warned: self._warned,
            m.Checkpoint: self._checkpoint,
            # What frames bring is said in other messages; that they move is life.
            m.Bring: _nothing,
            m.Piece: _nothing,
            m.Credit: _nothing,
            m.Goodbye: self._goodbye,
        }

    def check(self, runner: Runner, message: m.FromRunner) -> None:
        """See that a message can be true.

        Raises:
            RemoteProtocolError: If it speaks of jobs its grant does not have.
        """
        match message:
            case m.Report() | m.Returned():
                first, stop = message.first, message.first + message.count
            case m.WorkerLost() | m.Checkpoint():
                first, stop = message.job, message.job + 1
            case m.Warned():
                runner.strains()
                return
            case _:
                return
        grant = runner.grant(message.grant)
        if grant and (first < grant.span.first or stop > grant.span.stop):
            number = message.grant
            msg = f"runner {runner.handle} spoke of jobs that grant {number} has not"
            raise RemoteProtocolError(msg)
        failures = message.failures if isinstance(message, m.Report) else ()
        if failures and any(fail.offset >= stop - first for fail in failures):
            msg = f"runner {runner.handle} reported failures beyond its report"
            raise RemoteProtocolError(msg)
        if isinstance(message, m.Returned) and message.grant in runner.grants:
            runner.strains()

    def hear(self, runner: Runner, message: m.FromRunner) -> None:
        """Take in one message, which was checked."""
        if self._books.policy.speculate:
            self._speculation.heard(runner, message)
        self._messages[type(message)](runner, message)

    def _beat(self, runner: Runner, beat: m.Beat) -> None:
        books, policy = self._books, self._books.policy
        io_bytes = (beat.read or 0) + (beat.written or 0)
        runner.peak = max(runner.peak * (beat.job == runner.job), beat.peak)
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
        if beat.job is not None and beat.progress is not None:
            self._progressed(runner, beat.job, beat.progress)
        if beat.job != runner.job or runner.has_none(beat) or self._moved(runner, beat):
            runner.vitals, runner.vitals_since = (beat.cpu, io_bytes), books.now
            runner.asked_at = runner.stack = None
        runner.job, runner.beat = beat.job, beat.number
        runner.beat_at, runner.cpu, runner.rss = books.now, beat.cpu, beat.rss
        runner.job_since = None if beat.job is None else books.now - beat.running
        self._find_lost(runner, beat)
        idle = books.now - runner.vitals_since
        if policy.stall_s is None or idle <= _ASK_WHERE * policy.stall_s:
            return
        if runner.job is None:
            if idle > policy.stall_s:
                self._starting.idles(runner, idle)
                self._supply.dispatch(runner.group)
        elif runner.asked_at is None:
            self._ask_where(runner)
        elif idle > policy.stall_s:
            late = books.now - runner.asked_at > _ANSWER_S
            if late or runner.stack is not None:
                self._stalled(runner, idle)

    def _progressed(self, runner: Runner, job: int, said: m.Progress) -> None:
        """A job says how far it is, for the first time or again."""
        if runner.progress == (job, said) or job >= len(self._books.jobs.states):
            return
        if runner.progress is not None and runner.job == job:  # it moves: no stall
            runner.vitals_since = self._books.now
            runner.asked_at = runner.stack = None
        runner.progress = (job, said)
        self._books.publish(
            JobProgress,
            job=job,
            runner=runner.number,
            done=said.done,
            total=said.total,
            text=said.text,
        )

    def _live(self, runner: Runner, live: m.Live) -> None:
        """Tell those who watch what a job says and prints."""
        books = self._books
        if live.job is not None and live.progress is not None:
            self._progressed(runner, live.job, live.progress)
        if not books.watch.output:
            return
        known, left = len(books.jobs.states), len(live.printed)
        for piece in live.printed:
            left -= 1
            books.publish(
                JobOutput,
                job=piece.job if piece.job is not None and piece.job < known else None,
                runner=runner.number,
                text=piece.text,
                lost=0 if left else live.lost,
            )
        if live.lost and not live.printed:
            books.publish(
                JobOutput, job=None, runner=runner.number, text="", lost=live.lost
            )

    def _ask_where(self, runner: Runner) -> None:
        """Let a job that seems to stall tell where it is, before it is ended for it."""
        runner.asked_at = self._books.now
        if runner.peer is not None and runner.job is not None:
            self._books.ask(Send(peer=runner.peer, message=m.Examine(job=runner.job)))

    def _stack(self, runner: Runner, stack: m.Stack) -> None:
        runner.stack = (stack.job, stack.text)

    def _find_lost(self, runner: Runner, beat: m.Beat) -> None:
        """Take back work that a runner does not know of, long after it was sent.

        And once it has heard what was sent behind it: the work may be large and still
        on its way, and beats may be heard that were sent before it arrived.
        """
        old = self._books.now - 2 * self._books.policy.interval_s - _LOST_S
        second = runner.second
        if second is not None and _is_lost(second, beat, old):
            twins.drop(self._books, second, "failed", "it was lost on the way")
        for grant in list(runner.grants.values()):
            if _is_lost(grant, beat, old):
                self._books.put_back(grant, grant.span.first, grant.span.stop)
                self._supply.revoke(runner, grant.number)
                self._supply.dispatch(runner.group)

    def _moved(self, runner: Runner, beat: m.Beat) -> bool:
        cpu, io_bytes = runner.vitals
        idle = self._books.now - runner.vitals_since
        used = beat.cpu - cpu > max(_LEAST_CPU_S, 0.001 * idle)
        return used or (beat.read or 0) + (beat.written or 0) != io_bytes

    def _stalled(self, runner: Runner, idle: float) -> None:
        books, job = self._books, runner.job
        runner.vitals_since, runner.asked_at = books.now, None
        text = f"no processor time, no I/O and no progress for {idle:.0f} s"
        second = runner.second
        if second is not None and job == second.span.first:
            text = f"it stalled: {text}{testimony.place(runner, job)}"
            twins.drop(books, second, "failed", text)
            return
        grant = runner.holding(job) if job is not None else None
        if grant is None or job is None:
            return
        said = Statement(
            witness=Witness.HEARTBEAT,
            text=text,
            cause=Cause.STALLED,
            peak_memory=runner.peak or None,
        )
        ran = testimony.ran_s(runner, job, books.now)
        self._supply.revoke(runner, grant.number, job, job + 1)
        self._inquest.end_job(runner, grant, job, [said], ran)
        self._supply.dispatch(runner.group)

    def _report(self, runner: Runner, report: m.Report) -> None:
        grant = runner.grants.get(report.grant)
        if grant is None:
            return  # revoked, or heard before
        stop = report.first + report.count
        runner.group.measured(report.seconds, report.count)
        runner.group.start_failures = 0
        failures = sorted(report.failures, key=lambda failure: failure.offset)
        queued = runner.group.queued
        runner.in_vain = 0
        for start, last in list(grant.runs(report.first, stop)):
            for failure in failures:
                if start <= (job := report.first + failure.offset) < last:
                    self._succeed(runner, grant, report, start, job)
                    self._fail(runner, grant, report, failure)
                    start = job + 1  # noqa: PLW2901 - of what is left of the stretch
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
        books.settle(grant, first, stop)
        books.jobs.end(grant.group, first, stop, JobStep.SUCCEED)
        offset = first - report.first
        books.ask(Deliver(first=first, stop=stop, offset=offset, failures=()))
        seconds = report.seconds * (stop - first) / report.count
        books.publish(
            JobsDone,
            first=first,
            stop=stop,
            runner=runner.number,
            seconds=seconds,
            peak_rss=report.peak,
        )

    def _fail(
        self, runner: Runner, grant: Grant, report: m.Report, failure: m.Failure
    ) -> None:
        books, job = self._books, report.first + failure.offset
        said = diagnosis.from_failure(failure)
        verdict = msgspec.structs.replace(
            books.verdict(job, grant.span.attempt, [said], runner),
            raised=failure.classes,
        )
        if not books.end_attempt(grant, job, verdict):
            only = msgspec.structs.replace(failure, offset=0)
            books.ask(
                Deliver(
                    first=job,
                    stop=job + 1,
                    offset=failure.offset,
                    failures=(only,),
                    verdict=verdict,
                )
            )

    def _worker_lost(self, runner: Runner, lost: m.WorkerLost) -> None:
        grant = runner.grants.get(lost.grant)
        if grant is None or not grant.holds(lost.job):
            return
        runner.log_tail = lost.tail
        runner.group.start_failures = 0
        said = diagnosis.from_worker(lost)
        self._inquest.end_job(runner, grant, lost.job, said, lost.seconds)
        self._supply.dispatch(runner.group)
        self._supply.supply(runner)

    def _returned(self, runner: Runner, back: m.Returned) -> None:
        grant = runner.grants.get(back.grant)
        if grant is not None:
            self._books.put_back(grant, back.first, back.first + back.count)
            # What was asked back took longer than it should, perhaps.
            self._supply.dispatch(runner.group, evenly=True)

    def _warned(self, runner: Runner, warned: m.Warned) -> None:
        """A runner's end is near: ask the scheduler whose wish it is, while it shows."""
        if runner.parted:
            return
        runner.statements.append(diagnosis.from_warning(warned))
        if warned.ending and not runner.ending:
            runner.ending = True
            self._inquest.doubt(runner)

    def _checkpoint(self, runner: Runner, saved: m.Checkpoint) -> None:
        grant = runner.grants.get(saved.grant)
        if grant is None or not grant.holds(saved.job):
            return  # another attempt goes on without it
        attempt = grant.span.attempt
        if self._books.jobs.checkpoints.left(saved.job, attempt):
            return  # a job does nothing more after its checkpoint
        self._books.jobs.checkpoints.keep(saved.job, saved.digest, attempt)
        self._books.ask(KeepContent(job=saved.job, digest=saved.digest))
        runner.statements.append(diagnosis.from_checkpoint(saved))

    def _goodbye(self, runner: Runner, goodbye: m.Goodbye) -> None:
        """Take in last words: all that was finished was said before them."""
        if runner.parted:
            return
        runner.parted = True
        runner.log_tail = goodbye.tail or runner.log_tail
        statement = diagnosis.from_goodbye(goodbye)
        self._keep_only(runner, goodbye.job)
        if goodbye.reason == "broken":
            self._starting.broken(runner, statement)
            return
        stopping = runner.state is RunnerState.STOPPING
        if runner.restarting is not None or (
            goodbye.reason == "signal" and not stopping
        ):
            runner.statements.append(statement)
            self._inquest.doubt(runner)
        else:
            self._staffing.outlive(runner.group)
            self._inquest.release(runner, [*runner.statements, statement])
            self._staffing.remove(runner, goodbye.text or goodbye.reason)
        self._supply.dispatch(runner.group)
        self._staffing.staff_all()

    def _keep_only(self, runner: Runner, job: int | None) -> None:
        """Take back what a runner had not begun, all but the job it ended in."""
        books = self._books
        for grant in reversed(list(runner.grants.values())):
            first, stop = grant.span.first, grant.span.stop
            if job is not None and grant.holds(job):
                books.put_back(grant, job + 1, stop)
                stop = job
            books.put_back(grant, first, stop)
        runner.job = job


def _nothing(runner: Runner, message: m.FromRunner) -> None:
    """Take in what changes nothing but that a runner was heard."""


def _is_lost(grant: Grant, beat: m.Beat, old: float) -> bool:
    """Tell whether a runner does not know of work that it was given before a time."""
    unknown = grant.number not in beat.holds
    return unknown and grant.at < old and grant.beat < beat.echo
