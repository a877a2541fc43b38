"""Beginning jobs a second time that hold up the others. Pure.

Where a run's user allows it: see `Policy.speculate`. `doubles` has the rule for when,
`twins` what a second attempt may change, and when it takes the first one's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.events import JobSpeculated
from gridmap.lifecycle import RunnerState
from gridmap.monitor import diagnosis, doubles, twins
from gridmap.monitor.instructions import SendWork
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant, Group
    from gridmap.monitor.room import Room
    from gridmap.monitor.supply import Supply

_HIRE_AGAIN_S: Final = 60.0
"""Pause between two runners that are asked for, for that alone."""

_SPEAKING: Final = (RunnerState.UP, RunnerState.SUSPECT)


class Speculation:
    """Decides which jobs are begun a second time, and hears of those attempts."""

    def __init__(self, books: Books, room: Room, supply: Supply) -> None:
        self._books = books
        self._room = room
        self._supply = supply

    # When ---------------------------------------------------------------------------

    def consider(self, group: Group) -> None:
        """Begin jobs a second time, where runners have nothing better to do.

        The one that has run longest comes first.
        """
        books = self._books
        if group.queued or books.closing or not group.open:
            return
        if self._room.starving(group) is not None:
            for second in books.seconds_of(group):
                twins.drop(books, second, "dropped", "other jobs wait for its runner")
            return
        patience_s = group.durations.patience_s(group.open)
        if patience_s is None:
            return
        room = doubles.at_once(group.open) - len(books.seconds_of(group))
        late = sorted(
            (
                (age, job, grant)
                for age, job, grant in self._ages(group)
                if age > patience_s
            ),
            key=lambda found: -found[0],
        )
        for age, job, grant in late[: max(room, 0)]:
            runner = self._choose(group, books.fleet.runners[grant.runner].node)
            if runner is None or runner.peer is None:
                self._hire(group)
                return
            second = twins.begin(books, grant, job, runner)
            books.publish(
                JobSpeculated,
                job=job,
                runner=runner.number,
                attempt=second.span.attempt,
                first=grant.runner,
                ran_s=age,
                patience_s=patience_s,
            )
            self._send(second, runner.peer)

    def _hire(self, group: Group) -> None:
        """Ask for a runner where none is idle: they may have been let go before."""
        books, known = self._books, self._books.capabilities
        early = books.now < max(group.hire_at, group.second_at)
        if early or known is None or group.dismissed or group.crew.awaited:
            return
        if self._room.free(group) > 0:
            group.second_at = books.now + _HIRE_AGAIN_S
            books.hire(group, 1)

    def _ages(self, group: Group) -> Iterator[tuple[float, int, Grant]]:
        """Yield jobs that can be begun a second time, and how long they have run."""
        books, jobs = self._books, self._books.jobs
        for grant in jobs.grants.values():
            if grant.left != 1 or grant.group is not group or grant.twin is not None:
                continue
            job, runner = grant.next, books.fleet.runners[grant.runner]
            if job is None or job in jobs.doubles.attempts:
                continue  # once is enough
            left = jobs.checkpoints.left(job, grant.span.attempt)
            if left or runner.state not in _SPEAKING:
                continue  # it is about to end, and will be run again
            since = runner.job_since
            age = doubles.age_s(grant, job, runner.job, since, books.now)
            if age is not None:
                yield age, job, grant

    def _choose(self, group: Group, node: str | None) -> Runner | None:
        """Return an idle runner, on another node where there is one."""
        known = self._books.fleet.runners
        idle = [known[number] for number in group.idle]
        fit = [r for r in idle if r.peer is not None and self._supply.has_room(r)]
        return min(fit, key=lambda runner: runner.node == node, default=None)

    def _send(self, second: Grant, peer: bytes) -> None:
        span = second.span
        work = m.Work(
            grant=second.number,
            first=span.first,
            count=1,
            attempt=span.attempt,
            function=span.function,
        )
        self._books.ask(SendWork(peer=peer, work=work))

    # What is said of it -------------------------------------------------------------

    def heard(self, runner: Runner, message: m.FromRunner) -> None:
        """Take in what a runner says, before all others do.

        A report that a second attempt returned makes that the job's only one, so that
        it is heard as any other is. Whatever else is said of a second attempt ends it.
        """
        if isinstance(message, m.Report):
            self._learn(runner, message)
        second = runner.second
        if second is None:
            return
        match message:
            case m.Report(grant=second.number, failures=()) if second.twin is not None:
                twins.win(self._books, second, second.twin)
            case m.Report(grant=second.number):
                said = diagnosis.from_failure(message.failures[0])
                self._failed(second, said.text)
            case m.WorkerLost(grant=second.number):
                runner.log_tail = message.tail
                said, *_ = diagnosis.from_worker(message)
                self._failed(second, said.text)
            case m.Returned(grant=second.number):
                self._failed(second, "its runner handed it back")
            case m.Checkpoint(grant=second.number):
                self._failed(second, "it gave way to what ends its runner")
            case m.Goodbye():
                self._failed(second, "its runner ends")

    def _learn(self, runner: Runner, report: m.Report) -> None:
        if runner.grant(report.grant) is not None and not report.failures:
            runner.group.durations.add(report.seconds, report.count)

    def _failed(self, second: Grant, text: str) -> None:
        twins.drop(self._books, second, "failed", text)

    def unsent(self, number: int) -> Runner | None:
        """Take back work that could not be sent; return its runner, None: it is old."""
        books = self._books
        grant = books.jobs.grants.get(number)
        second = books.jobs.doubles.seconds.get(number)
        if grant is not None:
            books.put_back(grant, grant.span.first, grant.span.stop)
        elif second is not None:
            self._failed(second, "it could not be sent")
        found = grant or second
        return None if found is None else books.fleet.runners[found.runner]

    def withdraw(self) -> None:
        """End all second attempts, as the run is to end."""
        for second in list(self._books.jobs.doubles.seconds.values()):
            twins.drop(self._books, second, "dropped", "the run is to end")

    def tell(self) -> None:
        """Tell runners of attempts that count no more, and give them other work.

        Done last, so that what is delivered meanwhile is acknowledged first.
        """
        books = self._books
        revoked, books.revoked = books.revoked, []
        for grant in revoked:
            runner = books.fleet.runners.get(grant.runner)
            if runner is not None:
                self._supply.revoke(runner, grant.number)
                self._supply.supply(runner)
