"""Looking into runners that are late, silent or gone, until there is a verdict.

The scheduler is asked only when a runner gives reason to: it has not said hello in
time, its connection broke, it fell silent, or it is being killed. One question then
covers all such runners. A question that fails changes nothing but the next time.
An answer may be one that another run got: each runner knows since when one is news.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, NotAsked, Seen, SeenState
from gridmap.lifecycle import RunnerState, RunnerStep
from gridmap.monitor import diagnosis, testimony
from gridmap.monitor.fleet import MOST_IN_VAIN
from gridmap.monitor.instructions import (
    DeliverVerdict,
    HoldAutopsy,
    Look,
    ResubmitRunner,
)
from gridmap.monitor.parting import Parting
from gridmap.verdict import Cause, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.monitor.books import Books
    from gridmap.monitor.facts import Autopsied, Looked
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant
    from gridmap.monitor.staffing import Staffing
    from gridmap.monitor.starting import Starting
    from gridmap.verdict import Statement

_AUTOPSIES: Final = 7
"""How often accounting is asked, the last time after half a minute: it lags behind the
end by ``accounting_flush_time``, 15 s as Grid Engine comes (sge_conf(5), 8.1.9)."""

_SETTLING_S: Final = 2.0
"""A scheduler may not show yet what it has just accepted."""

_BEHIND_S: Final = 30.0
"""So far may what a scheduler shows lag behind what has happened."""

DOUBTFUL_BEATS: Final = 2.5
"""Heartbeats that may be missing before a runner is looked into."""

_HEARD: Final = (RunnerState.UP, RunnerState.SUSPECT)
_WAITS: Final = (SeenState.QUEUED, SeenState.HELD)


class Inquest:
    """Finds out what became of runners."""

    def __init__(self, books: Books, staffing: Staffing, starting: Starting) -> None:
        self._books = books
        self._staffing = staffing
        self._starting = starting
        self._parting = Parting(books, staffing)
        self._looking = False
        self._looked_at = -math.inf

    def doubt(self, runner: Runner, delay_s: float = 0.0) -> None:
        """Look into a runner soon, and give it no more work meanwhile."""
        if runner.state is RunnerState.UP:
            self._books.move(runner, RunnerStep.DOUBT)
        runner.ask_after(delay_s, self._books.now, pause_s=0.25)

    def tick(self) -> None:
        """Ask what is due to be asked."""
        books = self._books
        looks_due, due = False, dict[Handle, int]()
        others_due = self._looked_at + books.policy.query_s
        with books.killing_many():
            for runner in books.fleet:
                if runner.state in _HEARD:
                    self._mind_silence(runner)
                looks_due = looks_due or runner.is_due(books.now, others_due)
                if runner.autopsy_at is not None and runner.autopsy_at <= books.now:
                    runner.autopsy_at = None  # until it is answered
                    if runner.handle is not None:
                        due[runner.handle] = runner.lives
        if looks_due and not self._looking:
            self._look()
        if due:
            books.ask(HoldAutopsy(handles=frozenset(due), lives=due))

    def _look(self) -> None:
        """Ask about all that are in question, due or not, with one question."""
        books = self._books
        doubtful = [r for r in books.fleet if r.look_at is not None and not r.over]
        handles = frozenset(r.handle for r in doubtful if r.handle is not None)
        if handles:
            self._looking, self._looked_at = True, books.now
            stopping = any(r.state is RunnerState.STOPPING for r in doubtful)
            since = max(runner.news_since for runner in doubtful)
            asked = {r.handle: r.group.resources for r in doubtful if r.handle}
            books.ask(
                Look(handles=handles, since=since, kill_check=stopping, requests=asked)
            )

    def _mind_silence(self, runner: Runner) -> None:
        books, policy = self._books, self._books.policy
        silent = books.now - max(runner.heard, runner.excused)
        if runner.over or runner.restarting is not None:
            return
        if (
            runner.in_vain > MOST_IN_VAIN
        ):  # or it would keep its jobs until it is silent
            runner.statements.append(testimony.SHUT_OUT)
            self._give_up(runner)
        elif silent > policy.silence_s:
            self._give_up(runner)
        elif silent > DOUBTFUL_BEATS * policy.interval_s and runner.look_at is None:
            self.doubt(runner)

    def _give_up(self, runner: Runner) -> None:
        """Take the jobs of a runner that is silent or shut out away, whatever the scheduler shows of it."""
        books = self._books
        said = [testimony.of_beat(runner, books.now), *testimony.of_sight(runner)]
        self.release(runner, [*runner.statements, *said])
        runner.given_up = True
        capabilities = books.capabilities
        if (
            capabilities
            and capabilities.requeue
            and runner.handle
            and runner.starts == 1
        ):
            if runner.state is RunnerState.UP:
                books.move(runner, RunnerStep.DOUBT)
            runner.heard, runner.look_at = books.now, None
            runner.restarting = runner.nonce
            books.ask(
                ResubmitRunner(
                    runner=runner.number,
                    handle=runner.handle,
                    cause=Cause.LOST,
                    attempt=runner.starts + 1,
                )
            )
        else:
            self._staffing.kill([runner])

    def looked(self, fact: Looked) -> None:
        """Take in what the scheduler showed, or that it could not be asked."""
        books = self._books
        self._looking = False
        with books.killing_many():
            for handle in sorted(fact.asked):  # so that a run can be replayed exactly
                runner = books.fleet.by_handle.get(handle)
                if runner is None or runner.over or runner.restarting is not None:
                    continue
                if runner.since <= fact.at and runner.news_since <= fact.at:
                    self._told(runner, handle, fact)  # and not what it was before

    def _told(self, runner: Runner, handle: Handle, fact: Looked) -> None:
        now = self._books.now
        if not isinstance(fact.observation, NotAsked):
            runner.why = fact.why.get(handle)
            self._saw(runner, fact.observation.seen.get(handle), fact.at)
        elif fact.wait_s:
            runner.look_at = now + fact.wait_s
        else:
            runner.look_again(now, least=1.0, most=self._books.policy.query_s)

    def _saw(self, runner: Runner, seen: Seen | None, at: float) -> None:
        runner.news_since, runner.hurry = at, False
        runner.absent = seen is None
        if seen is not None:
            runner.statements += testimony.of_loss(runner, seen)
            runner.seen = seen
            runner.node = runner.node or seen.node
        if runner.speaks_on and runner.state is RunnerState.SUSPECT:
            runner.look_again(self._books.now, least=0.25, most=2.0)
        elif seen is None or seen.state is SeenState.ENDED:
            self._over(runner)
        elif runner.state is RunnerState.QUEUED:
            self._starting.pending(runner, seen)
        elif runner.state is RunnerState.STOPPING:
            self._parting.linger(runner, seen)
        elif runner.state is RunnerState.SUSPECT and self._waits(runner, seen):
            self._requeued(runner)
        elif runner.state is RunnerState.SUSPECT:
            self._doubtful(runner, seen)
        else:
            runner.look_at = None

    def _waits(self, runner: Runner, seen: Seen) -> bool:
        """Tell whether a runner that was up is back in the scheduler's queue.

        If it said hello just before, that may be what the scheduler showed until then.
        """
        young = runner.news_since - runner.came_at < _BEHIND_S
        return seen.state in _WAITS and not young

    def _doubtful(self, runner: Runner, seen: Seen) -> None:
        """Keep an eye on a silent runner; one that is suspended has its reason."""
        books, policy = self._books, self._books.policy
        if seen.state is SeenState.SUSPENDED:
            runner.excused = books.now
            most = min(policy.query_s, policy.silence_s / 2)
            runner.look_again(books.now, least=0.25, most=most)
        else:
            runner.look_again(books.now, least=0.25, most=policy.interval_s)

    def _requeued(self, runner: Runner) -> None:
        """A runner waits in the scheduler's queue again: its process has ended."""
        self.release(runner, [*runner.statements, testimony.REQUEUED])
        self._staffing.queued_again(runner)

    def _over(self, runner: Runner) -> None:
        books = self._books
        young = runner.news_since - runner.since < _SETTLING_S
        if runner.state is RunnerState.QUEUED and runner.absent and young:
            runner.hurry = True
            runner.look_again(books.now, least=0.5, most=1.0)
            return
        if runner.state is RunnerState.STOPPING:
            self._staffing.remove(runner, "ended")
            self._staffing.staff_all()
            return
        if runner.state is RunnerState.UP:
            runner.look_at = None  # it spoke after the question: old news
            return
        if runner.inherited:
            # It ended while nobody drove the run, who knows why: not the job's fault.
            self._staffing.remove(runner, "ended while the run had no driver")
            self._staffing.staff_all()
            return
        runner.over, runner.look_at, runner.autopsy_at = True, None, books.now

    def autopsied(self, fact: Autopsied) -> None:
        """Take in what accounting and the logs say; conclude what can be concluded."""
        books = self._books
        for handle in sorted(fact.asked):
            runner = books.fleet.by_handle.get(handle)
            if runner is None or not runner.over:
                continue
            if fact.wait_s:
                runner.autopsy_at = books.now + fact.wait_s
                continue
            runner.log_tail = fact.tails.get(handle, runner.log_tail)
            runner.autopsies += 1
            finding = fact.findings.get(handle)
            knows = books.capabilities is not None and books.capabilities.accounting
            if finding is None and knows and runner.autopsies < _AUTOPSIES:
                runner.autopsy_at = books.now + 0.25 * 2**runner.autopsies
                continue
            if finding is not None:
                runner.statements.append(diagnosis.from_autopsy(finding))
                runner.node = runner.node or finding.node
            self._conclude(runner)
        self._staffing.staff_all()

    def _conclude(self, runner: Runner) -> None:
        said = [*runner.statements, *testimony.of_sight(runner)]
        if runner.nonce:
            if not runner.parted:
                said.append(testimony.of_beat(runner, self._books.now))
            said += testimony.of_deadline(runner, said)
            self.release(runner, said)
            if judge(said) is Cause.KILLED and not self._books.policy.forgives(
                Cause.KILLED
            ):
                self._staffing.killed(runner.group, runner.since)
            self._staffing.remove(runner, "gone")
        else:
            log = diagnosis.from_log(runner.log_tail)
            said += [log] if log else []
            self._staffing.remove(runner, "ended before it said hello")
            self._starting.failed(runner, said)

    def release(self, runner: Runner, said: Iterable[Statement]) -> None:
        """End a runner's attempts: the job it ran gets the verdict, the rest go back.

        Jobs are run in the order they were given, so the first it still answers for
        is the one it ran, unless it said itself which one that was.
        """
        job = runner.job
        grant = runner.holding(job) if job is not None else None
        if grant is None and not runner.parted:
            grant = next(iter(runner.grants.values()), None)
            job = grant.next if grant is not None else None
        if grant is not None and job is not None:
            ran = testimony.ran_s(runner, job, runner.broke_at or runner.heard)
            self.end_job(runner, grant, job, said, ran)
        self._books.put_back_all(runner)
        runner.job = None

    def end_job(
        self,
        runner: Runner,
        grant: Grant,
        job: int,
        statements: Iterable[Statement],
        ran_s: float | None = None,
    ) -> None:
        """End the attempt of one job with a verdict, and deliver it if it is final.

        Args:
            runner: Who had it.
            grant: The grant in which it had it.
            job: The job.
            statements: What the witnesses said.
            ran_s: Seconds the job had run; None if nobody knows.
        """
        books = self._books
        said = testimony.on_job(runner, job, statements, books.now)
        verdict = testimony.completed(
            books.verdict(job, grant.span.attempt, said, runner, ran_s=ran_s),
            runner,
            grant,
            job,
        )
        if verdict.cause is Cause.TIME_LIMIT:
            grant.group.cut_short(ran_s or 0.0)
        if not books.end_attempt(grant, job, verdict):
            books.ask(DeliverVerdict(job=job, verdict=verdict))
