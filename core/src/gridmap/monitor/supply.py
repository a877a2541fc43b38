"""Giving jobs to runners, and asking them back from those that have too many. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gridmap.events import JobsGranted
from gridmap.lifecycle import RunnerState
from gridmap.monitor import dispatch, twins
from gridmap.monitor.instructions import Send, SendWork
from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from collections.abc import Collection

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant, Group, Span
    from gridmap.monitor.room import Room
    from gridmap.monitor.staffing import Staffing

_ALL: Final = 2**53
"""Jobs in a cancellation that means all of a grant."""

_FRESH_S: Final = 10.0

_HIRE_S: Final = 5.0
"""How much later than late a batch has to be for runners to be asked for its sake."""

_MARGIN_S: Final = 5.0
"""Seconds before a runner's end in which it is given nothing new."""


class Supply:
    """Who gets which jobs, and when."""

    def __init__(self, books: Books, room: Room, staffing: Staffing) -> None:
        self._books = books
        self._room = room
        self._staffing = staffing

    def dispatch(self, group: Group, *, evenly: bool = False) -> None:
        """Give a group's waiting jobs to those of its runners that have nothing.

        Those that are busy take more when they report.

        Args:
            group: The group.
            evenly: Whether the jobs may take longer than others of the group did.
        """
        books = self._books
        while group.queued and group.idle and not books.closing:
            number = next(iter(group.idle))
            self.supply(books.fleet.runners[number], evenly=evenly)
            if number in group.idle:
                return
        if group.queued and books.jobs.doubles.seconds and not books.closing:
            # A job that waits comes before one that is run anyway.
            for second in books.seconds_of(group)[-group.queued :]:
                twins.drop(books, second, "dropped", "a job waits for its runner")

    def supply(self, runner: Runner, *, evenly: bool = False) -> None:
        """Give one runner what it should have, or let it go when it had its share."""
        group = runner.group
        if runner.state is not RunnerState.UP or self._books.closing:
            return
        if runner.second is not None:
            return
        # A runner that waited long in the queue is not let go before its first job.
        starving = self._room.starving(group) if runner.given else None
        while (
            not starving
            and group.queued
            and dispatch.wants_more(
                left=runner.left, grants=len(runner.grants), mean_s=group.mean_s
            )
        ):
            size = self._size(runner, evenly=evenly)
            span = self._books.jobs.take(group, size) if size > 0 else None
            if span is None:
                break
            self._give(runner, span)
        if not runner.left and starving:
            self._staffing.dismiss(runner)
            self._staffing.staff(starving)
        elif not runner.left:
            self._at_leisure(runner)

    def _size(self, runner: Runner, *, evenly: bool = False) -> int:
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
            evenly=evenly,
        )
        return min(room, size or self._fresh(runner))

    def has_room(self, runner: Runner) -> bool:
        """Tell whether a runner may have one more job, and has the time for it."""
        if runner.deadline is None and self._books.policy.jobs_per_runner is None:
            return True
        return self._size(runner) > 0

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
        second = runner.second
        if second is not None and second.number not in holds:
            twins.drop(self._books, second, "failed", "it was lost on the way")
        for number in holds:
            if runner.grant(number) is None:
                self.revoke(runner, number)

    def _at_leisure(self, runner: Runner) -> None:
        """See what an idle runner is good for: nothing, or another's unstarted jobs."""
        group = runner.group
        if not self.has_room(runner):
            self._staffing.dismiss(runner)
            self._staffing.staff(group)
        elif not group.queued:
            self._recall(group)

    def hasten(self, group: Group) -> None:
        """Ask for what takes longer than it should, where others could do it.

        Those are runners that have nothing to do, and after a while new ones, which
        were not asked for or were taken out of the queue when all jobs were given.
        """
        books = self._books
        if not group.loaded or group.queued or books.closing:
            return
        patience_s = 0.0 if group.idle else _HIRE_S
        if not group.idle and not self._room.may_grow(group):
            return
        for grant in list(group.loaded.values()):  # the oldest first
            late_s = books.now - grant.at - patience_s
            if late_s <= dispatch.LATE_S:
                return
            if self._is_late(grant, patience_s):
                self._ask_back(grant)

    def _is_late(self, grant: Grant, patience_s: float = 0.0) -> bool:
        age_s = self._books.now - grant.at - patience_s
        count = len(grant.span)
        return dispatch.is_late(count=count, mean_s=grant.mean_s, age_s=age_s)

    def _recall(self, group: Group) -> None:
        """Ask the unstarted jobs of the oldest large grant back, once.

        If that one is about to be done, so are those that came after it, or they are
        smaller; `hasten` finds what takes longer than that.
        """
        while group.loaded:
            grant = next(iter(group.loaded.values()))
            left_s = grant.left * (group.mean_s or math.inf)
            if left_s < dispatch.WORTH_S and not self._is_late(grant):
                return
            if self._ask_back(grant):
                return

    def _ask_back(self, grant: Grant) -> bool:
        """Ask for what is not started of a grant; tell whether its runner can answer."""
        grant.group.loaded.pop(grant.number, None)
        runner = self._books.fleet.runners[grant.runner]
        if runner.peer is None or runner.state is not RunnerState.UP:
            return False
        self._books.ask(Send(peer=runner.peer, message=m.Recall(grant=grant.number)))
        # An answer is asked for, and another where more is found behind a long job.
        runner.in_vain = max(0, runner.in_vain - 2)
        return True
