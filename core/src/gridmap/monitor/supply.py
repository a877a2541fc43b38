"""Giving jobs to runners, and asking them back from those that have too many. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.events import JobsGranted
from gridmap.lifecycle import RunnerState
from gridmap.monitor import dispatch
from gridmap.monitor.instructions import Send, SendWork
from gridmap.monitor.staffing import STARVING_S
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Collection

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Group, Span
    from gridmap.monitor.staffing import Staffing

_ALL: Final = 2**53
"""Jobs in a cancellation that means all of a grant."""

_FRESH_S: Final = 10.0

_MARGIN_S: Final = 5.0
"""Seconds before a runner's end in which it is given nothing new."""


class Supply:
    """Who gets which jobs, and when."""

    def __init__(self, books: Books, staffing: Staffing) -> None:
        self._books = books
        self._staffing = staffing

    def dispatch(self, group: Group) -> None:
        """Give a group's waiting jobs to those of its runners that have nothing.

        Those that are busy take more when they report.
        """
        books = self._books
        while group.queued and group.idle and not books.closing:
            number = next(iter(group.idle))
            self.supply(books.fleet.runners[number])
            if number in group.idle:
                return

    def supply(self, runner: Runner) -> None:
        """Give one runner what it should have, or let it go when it had its share."""
        group = runner.group
        if runner.state is not RunnerState.UP or self._books.closing:
            return
        # A runner that waited long in the queue is not let go before its first job.
        starving = self._starving(group) if runner.given else None
        while (
            not starving
            and group.queued
            and dispatch.wants_more(
                left=runner.left, grants=len(runner.grants), mean_s=group.mean_s
            )
        ):
            size = self._size(runner)
            span = self._books.jobs.take(group, size) if size > 0 else None
            if span is None:
                break
            self._give(runner, span)
        if not runner.left and starving:
            self._staffing.dismiss(runner)
            self._staffing.staff(starving)
        elif not runner.left:
            self._at_leisure(runner)

    def _starving(self, group: Group) -> Group | None:
        """Return another group that has waited long for a runner to make room."""
        for other in self._books.starving:  # the longest first
            since = other.starved_since
            if since is not None and self._books.now - since > STARVING_S:
                return other if other is not group and other.queued else None
        return None

    def _size(self, runner: Runner) -> int:
        """Return how many jobs to give; 0 if the runner is not to have any more."""
        books, group = self._books, runner.group
        most = books.policy.jobs_per_runner
        room = dispatch.LARGEST if most is None else most - runner.given
        remaining = None
        if runner.deadline is not None:
            remaining = runner.deadline - books.now - _MARGIN_S
            if remaining <= 2 * group.cut_s:
                return min(room, self._fresh(runner))
        size = dispatch.batch_size(
            queued=group.queued,
            runners=group.crew.up,
            mean_s=group.mean_s,
            remaining_s=remaining,
        )
        return min(room, size or self._fresh(runner))

    def _fresh(self, runner: Runner) -> int:
        """Return 1 for a runner with as much time before it as any will ever have.

        Were such a one let go for want of time, the next would be too, for ever.
        """
        return int(not runner.given and self._books.now - runner.came_at < _FRESH_S)

    def _give(self, runner: Runner, span: Span) -> None:
        grant = self._books.give(runner, span)
        if runner.peer is None:
            return
        work = m.Work(
            grant=grant.number,
            first=span.first,
            count=len(span),
            attempt=span.attempt,
            function=span.function,
        )
        self._books.ask(SendWork(peer=runner.peer, work=work))
        self._books.publish(
            JobsGranted,
            first=span.first,
            stop=span.stop,
            runner=runner.number,
            attempt=span.attempt,
        )
        self._staffing.drop_surplus(runner.group)

    def revoke(
        self, runner: Runner, grant: int, first: int = 0, stop: int = _ALL
    ) -> None:
        """Tell a runner that jobs of a grant are no longer wanted, or none at all.

        What it does not hold, it ignores.
        """
        if runner.peer is not None:
            message = m.Cancel(grant=grant, first=first, count=stop - first)
            self._books.ask(Send(peer=runner.peer, message=message))

    def compare(self, runner: Runner, holds: Collection[int]) -> None:
        """Make both sides agree on what a runner has, after its connection broke.

        Work that was lost on the way goes back, and what is no longer its to do it is
        told once more. Results it still has to send are not harmed by that.
        """
        for grant in reversed(list(runner.grants.values())):
            first, stop = grant.span.first, grant.span.stop
            if grant.number not in holds:
                self._books.put_back(grant, first, stop)
                self.revoke(runner, grant.number)  # it may be on its way even now
                continue
            at = first
            for run_first, run_stop in list(grant.runs(first, stop)):
                if at < run_first:
                    self.revoke(runner, grant.number, at, run_first)
                at = run_stop
            if at < stop:
                self.revoke(runner, grant.number, at, stop)
            if grant.left > 1:
                grant.group.loaded[grant.number] = grant
        for number in holds:
            if number not in runner.grants:
                self.revoke(runner, number)

    def _at_leisure(self, runner: Runner) -> None:
        """See what an idle runner is good for: nothing, or another's unstarted jobs."""
        group = runner.group
        if self._size(runner) <= 0:
            self._staffing.dismiss(runner)
            self._staffing.staff(group)
        elif not group.queued:
            self._recall(group)

    def _recall(self, group: Group) -> None:
        """Ask the unstarted jobs of the oldest large grant back, once."""
        books = self._books
        while group.loaded:
            number = next(iter(group.loaded))
            grant = group.loaded.pop(number)
            other = books.fleet.runners[grant.runner]
            if other.peer is not None and other.state is RunnerState.UP:
                message = m.Recall(grant=number)
                books.ask(Send(peer=other.peer, message=message))
                other.in_vain = max(0, other.in_vain - 1)  # the answer is asked for
                return
