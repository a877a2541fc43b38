"""The jobs a runner holds, and which of them its worker has. Pure.

The worker is handed short slices, so that what is not started can be handed back at
any time, and what a dead worker was doing is known to the job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.runner.actions import Action, DropGrant, Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Set

    from gridmap.protocol import messages as m

SLICE_S: Final = 0.01
"""Seconds of work the worker is handed ahead of what it does."""

LONG_S: Final = 0.1
"""How long a job runs before what the worker was handed behind it is taken back."""


class _Held(msgspec.Struct):
    """A grant: what of it is not handed to the worker, and what not accounted for.

    Attributes:
        work: The grant as it came.
        next: The first job that is not handed to the worker.
        stop: One past the last that is to be.
        open: How many are neither reported nor handed back.
        again: Whether an earlier grant, still held, has some of its jobs.
        cancelled: Jobs that are no longer wanted.
        passed: Those of them that are accounted for, since they will not be run.
        recalled: Whether what of it is not begun is not the runner's to do any more.
    """

    work: m.Work
    next: int
    stop: int
    open: int
    again: bool
    cancelled: set[int] = set()
    passed: set[int] = set()
    recalled: bool = False

    def meets(self, first: int, stop: int) -> bool:
        """Whether any of these jobs belongs to this grant."""
        return first < self.work.first + self.work.count and self.work.first < stop


class Stretch(msgspec.Struct, frozen=True):
    """Consecutive jobs of a grant."""

    grant: int
    first: int
    count: int


class Lost(msgspec.Struct, frozen=True):
    """A job that ended with its worker.

    Attributes:
        job: Which.
        grant: By which grant the worker had it.
        wanted: Whether it was not cancelled.
    """

    job: int
    grant: int
    wanted: bool


class Workload:
    """What a runner holds.

    Args:
        emit: Takes what is to be done: `Feed`, and `DropGrant` once a grant is
            accounted for.
    """

    def __init__(self, emit: Callable[[Action], None]) -> None:
        self._emit = emit
        self._held: dict[int, _Held] = {}
        self._fed: dict[int, int] = {}  # job -> grant, in the order of execution
        self._latest = 0
        self._mean: float | None = None

    # What there is ------------------------------------------------------------------

    @property
    def grants(self) -> Set[int]:
        """The grants that are not accounted for."""
        return self._held.keys()

    @property
    def busy(self) -> bool:
        """Whether the worker has anything to do."""
        return bool(self._fed)

    @property
    def current(self) -> int | None:
        """The first job that the worker was handed and has not told of."""
        return next(iter(self._fed), None)

    def with_worker(self, job: int | None) -> int | None:
        """Return a job if the worker has it; else None."""
        return job if job in self._fed else None

    def grant_of(self, job: int) -> int | None:
        """Return the grant by which the worker has a job; None if it does not."""
        return self._fed.get(job)

    def is_unwanted(self, job: int | None) -> bool:
        """Tell whether the worker has a job that was cancelled."""
        held = self._held_with(job)
        return held is not None and job in held.cancelled

    def _held_with(self, job: int | None) -> _Held | None:
        return None if job is None else self._held.get(self._fed.get(job, 0))

    # In and out ---------------------------------------------------------------------

    def take(self, work: m.Work) -> bool:
        """Take a grant; return whether it is new.

        Grants are numbered as they are given: one that does not go up is an echo.
        """
        if work.grant <= self._latest:
            return False
        self._latest = work.grant
        first, stop = work.first, work.first + work.count
        again = any(held.meets(first, stop) for held in self._held.values())
        self._held[work.grant] = _Held(work, first, stop, work.count, again)
        return True

    def give_back(self, grant: int | None = None) -> Iterator[Stretch]:
        """Yield what is not started, for the caller to say so; it is held no more.

        Args:
            grant: Of which grant; None: of all.
        """
        for held in list(self._held.values()):
            if grant in (None, held.work.grant):
                held.recalled = True
                yield from self._give_back(held)

    def give_back_recalled(self) -> Iterator[Stretch]:
        """Yield what was asked back and is not started after all; likewise."""
        for held in list(self._held.values()):
            if held.recalled:
                yield from self._give_back(held)

    def _give_back(self, held: _Held) -> Iterator[Stretch]:
        if held.next < held.stop:
            first, count = held.next, held.stop - held.next
            passed = sum(first <= job < held.stop for job in held.passed)
            held.stop = first
            yield Stretch(held.work.grant, first, count)
            self._account(held, count - passed)

    def cancel(self, cancel: m.Cancel) -> None:
        """Hand these jobs to no worker."""
        held = self._held.get(cancel.grant)
        if held is None:
            return
        work = held.work
        first = max(cancel.first, work.first)
        stop = min(cancel.first + cancel.count, work.first + work.count)
        held.cancelled.update(range(first, stop))
        self._pass_over(held)

    def account(self, grant: int, count: int) -> None:
        """So many jobs of a grant were told of."""
        if grant in self._held:
            self._account(self._held[grant], count)

    def _account(self, held: _Held, count: int) -> None:
        held.open -= count
        if held.open <= 0:
            self._held.pop(held.work.grant, None)
            self._emit(DropGrant(grant=held.work.grant))

    def _pass_over(self, held: _Held) -> None:
        """Account for cancelled jobs that are next to be handed to the worker."""
        while held.next < held.stop and held.next in held.cancelled:
            if held.next not in held.passed:
                held.passed.add(held.next)
                self._account(held, 1)
            held.next += 1

    # The worker's part --------------------------------------------------------------

    def feed(self) -> None:
        """Keep a short slice of work ahead of the worker."""
        for held in list(self._held.values()):
            while held.next < held.stop:
                room = self._room()
                if room < 1:
                    return
                stop = min(held.stop, held.next + room)
                stop = min([stop, *(j for j in held.cancelled if held.next < j < stop)])
                if held.again and any(j in self._fed for j in range(held.next, stop)):
                    return  # the worker has it yet, from the grant before
                work = held.work
                self._fed.update(dict.fromkeys(range(held.next, stop), work.grant))
                self._emit(
                    Feed(
                        grant=work.grant,
                        first=held.next,
                        stop=stop,
                        function=work.function,
                    )
                )
                held.next = stop
                self._pass_over(held)

    def _room(self) -> int:
        if not self._fed:
            return 1 if self._mean is None else max(1, int(2 * SLICE_S / self._mean))
        if self._mean is None:
            return 0
        ahead = int(2 * SLICE_S / max(self._mean, 1e-7))
        # Refill by halves: a hand-over costs more than a tiny job.
        return ahead - len(self._fed) if len(self._fed) <= ahead // 2 else 0

    def done(self, first: int, count: int, seconds: float) -> int | None:
        """Take in that the worker is through with jobs, in so many seconds.

        Returns:
            Their grant; None if that was heard before: a dead worker's last words.
        """
        grant = self._fed.get(first)
        if grant is None or grant not in self._held:
            return None
        for job in range(first, first + count):
            self._fed.pop(job, None)
        mean = seconds / count
        self._mean = mean if self._mean is None else 0.7 * self._mean + 0.3 * mean
        return grant

    def worker_ended(self, job: int | None, *, unwanted: bool) -> Lost | None:
        """Take in that the worker ended; what it had not begun goes to the next one.

        Args:
            job: The job it said it was running; None if none.
            unwanted: Whether it was ended for running a job that was cancelled.

        Returns:
            The job that ended with it; None if none did.
        """
        held = self._held_with(job)
        if unwanted and held is not None and job not in held.cancelled:
            held = None  # it was meant for the job before, which had just ended
        lost = None
        if held is not None and job is not None:
            lost = Lost(job, held.work.grant, wanted=job not in held.cancelled)
        self._take_back(None if lost is None else lost.job)
        return lost

    def _take_back(self, running: int | None) -> None:
        """Jobs the worker had not begun are as if they had not been handed over."""
        for job, grant in sorted(self._fed.items(), reverse=True):
            held = self._held.get(grant)
            if held is not None and job != running:
                held.next = min(held.next, job)
        self._fed.clear()
        for held in list(self._held.values()):
            self._pass_over(held)

    def is_before(self, job: int | None) -> bool:
        """Tell whether the worker was handed more behind a job that it has."""
        return job in self._fed and next(reversed(self._fed)) != job

    def withdraw(self, running: int | None) -> None:
        """Take back what the worker was handed behind the job it runs.

        Args:
            running: That job. If it is none of those, more is known when it is cleared.
        """
        if running not in self._fed:
            return
        while (last := next(reversed(self._fed))) != running:
            held = self._held.get(self._fed.pop(last))
            if held is not None:
                held.next = min(held.next, last)
        for held in list(self._held.values()):
            self._pass_over(held)

    def cleared(self) -> None:
        """Take back what the worker has not told of: it will not be begun."""
        self._take_back(None)

    def give_up(self, lost: Lost) -> None:
        """Account for a job that ended with the worker."""
        held = self._held.get(lost.grant)
        if held is None:
            return
        if held.next > lost.job:
            self._account(held, 1)
        else:  # jobs before it are to be run again, it is not
            held.cancelled.add(lost.job)
