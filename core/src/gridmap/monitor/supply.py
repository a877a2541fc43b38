"""Giving jobs to runners, and asking them back from those that have too many. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.events import JobsGranted
from gridmap.lifecycle import RunnerState
from gridmap.monitor import dispatch
from gridmap.monitor.instructions import Send, SendWork
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant, Group
    from gridmap.monitor.staffing import Staffing

_MARGIN_S: Final = 5.0
"""Seconds before a runner's end in which it is given nothing new."""


class Supply:
    """Who gets which jobs, and when."""

    def __init__(self, books: Books, staffing: Staffing) -> None:
        self._books = books
        self._staffing = staffing

    def dispatch(self, group: Group) -> None:
        """Give a group's waiting jobs to those of its runners that can take some."""
        if not group.queued or self._books.closing:
            return
        runners = self._books.fleet.of(group, RunnerState.UP)
        for runner in sorted(runners, key=lambda runner: runner.left):
            if not group.queued:
                break
            self.supply(runner)

    def supply(self, runner: Runner) -> None:
        """Give one runner what it should have, or let it go when it had its share."""
        group = runner.group
        if runner.state is not RunnerState.UP or self._books.closing:
            return
        while group.queued and dispatch.wants_more(
            left=runner.left, grants=len(runner.grants), mean_s=group.mean_s
        ):
            size = self._size(runner)
            span = self._books.jobs.take(group, size) if size > 0 else None
            if span is None:
                break
            self._give(
                runner, self._books.jobs.grant(span, runner.number, self._books.now)
            )
        if not runner.left:
            self._at_leisure(runner)

    def _size(self, runner: Runner) -> int:
        """Return how many jobs to give; 0 if the runner is not to have any more."""
        books, group = self._books, runner.group
        remaining = None
        if runner.deadline is not None:
            remaining = runner.deadline - books.now - _MARGIN_S
            if remaining <= 0:
                return 0
        size = dispatch.batch_size(
            queued=group.queued,
            runners=group.up,
            mean_s=group.mean_s,
            remaining_s=remaining,
        )
        most = books.policy.jobs_per_runner
        return size if most is None else min(size, most - runner.given)

    def _give(self, runner: Runner, grant: Grant) -> None:
        span = grant.span
        runner.grants[grant.number] = grant
        runner.given += len(span)
        runner.left += len(span)
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

    def _at_leisure(self, runner: Runner) -> None:
        """See what an idle runner is good for: nothing, or another's unstarted jobs."""
        books, group = self._books, runner.group
        if self._size(runner) <= 0:
            self._staffing.dismiss(runner)
            self._staffing.staff(group)
        elif not group.queued:
            loaded = [g for g in books.jobs.grants.values() if g.left > 1]
            grant = max(loaded, key=lambda grant: grant.left, default=None)
            if grant is None or grant.recalled:
                return
            other = books.fleet.runners[grant.runner]
            if other.group is group and other.peer is not None:
                grant.recalled = True
                message = m.Recall(grant=grant.number)
                books.ask(Send(peer=other.peer, message=message))
