"""The worker as its runner minds it: fed, held up, and ended where need be. Pure.

A worker that dies takes the job it runs along; the next one goes on with what it had
not begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.runner.actions import KillWorker, SetUp, StartWorker, Withdraw
from gridmap.runner.workload import LONG_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridmap.protocol import messages as m
    from gridmap.runner.actions import Action, WorkerEnd
    from gridmap.runner.reports import Reports
    from gridmap.runner.workload import Lost, Workload

_SIGKILL: Final = 9

MOST_IDLE_DEATHS: Final = 3
"""Workers that may die in a row without having run a job."""


class Supervision:
    """Minds one worker after the other."""

    def __init__(
        self, workload: Workload, reports: Reports, emit: Callable[[Action], None]
    ) -> None:
        """Begin with a worker that is not set up yet.

        Args:
            workload: What the runner holds, and which of it the worker has.
            reports: Where it is told what became of that.
            emit: Takes what is to be done.
        """
        self._workload = workload
        self._reports = reports
        self._emit = emit
        self._ready = False
        self._over = False
        self._killing = False
        self._withdrawing = False
        self._idle_deaths = 0

    @property
    def killing(self) -> bool:
        """Whether the worker is to end, for the job it runs was cancelled."""
        return self._killing

    @property
    def hopeless(self) -> bool:
        """Whether one worker after the other has died without having run a job."""
        return self._idle_deaths >= MOST_IDLE_DEATHS

    def ready(self) -> None:
        """The worker is set up."""
        self._ready = not self._over

    def feed(self) -> None:
        """Keep a short slice of work ahead of the worker, if it takes any."""
        if self._ready and not self._withdrawing:
            self._workload.feed()

    def done(self, first: int, count: int, seconds: float) -> int | None:
        """Take in that the worker is through with jobs; see `Workload.done`."""
        grant = self._workload.done(first, count, seconds)
        if grant is not None:
            self._idle_deaths = 0
        return grant

    def mind(self, job: int | None, seconds: float) -> None:
        """Time has passed: let nothing wait for long where it cannot be handed back.

        Args:
            job: The job the worker runs; None if none.
            seconds: For how long it has.
        """
        self.end_unwanted(job)
        takes = self._ready and not self._withdrawing
        if takes and seconds > LONG_S and self._workload.is_before(job):
            self._withdrawing = True
            self._emit(Withdraw())

    def cancel(self, cancel: m.Cancel) -> None:
        """Hand these jobs to no worker; end the one that runs one of them."""
        self._workload.cancel(cancel)
        self.end_unwanted(self._workload.current)

    def end_unwanted(self, job: int | None) -> None:
        """End the worker if the job it runs was cancelled.

        That is the first it was handed, or a later one: results of quick jobs gather
        in the worker before they are told.
        """
        if self._workload.is_unwanted(job) and not self._killing:
            # Nothing is handed to a worker that is to end, lest it be lost with it.
            self._killing, self._ready = True, False
            self._emit(KillWorker())

    def withdrawn(self, running: int | None, now: float) -> None:
        """Hand back what is wanted back: the worker begins nothing more of what it has.

        Args:
            running: What it is at; it may turn out not to have begun that.
            now: The present.
        """
        if self._withdrawing:
            self._workload.withdraw(running)
            self._reports.returned(self._workload.give_back_recalled(), now)

    def cleared(self, now: float) -> None:
        """Likewise: all that the worker did begin has ended."""
        if self._withdrawing:
            self._withdrawing = False
            self._workload.cleared()
            self._reports.returned(self._workload.give_back_recalled(), now)

    def ended(self, end: WorkerEnd) -> Lost | None:
        """Take in the worker's end; return the job that ended with it, if one did."""
        self._ready = self._withdrawing = False
        killed, self._killing = self._killing and end.signal == _SIGKILL, False
        lost = self._workload.worker_ended(end.job, unwanted=killed)
        if lost is not None:
            self._idle_deaths = 0
        elif not killed:
            self._idle_deaths += 1
        return lost

    def lost(self, lost: Lost, end: WorkerEnd, now: float) -> None:
        """Account for a job that ended with its worker, while the runner lives on."""
        if lost.wanted:
            self._reports.lost(lost, end, now)
        self._workload.give_up(lost)

    def start_another(self, welcome: m.Welcome | None) -> None:
        """Bring up the next worker.

        Args:
            welcome: What makes it like the user's process; None: that comes later.
        """
        self._emit(StartWorker())
        if welcome is not None:
            self._emit(SetUp(welcome=welcome))

    def end(self) -> None:
        """End the worker for good: it is handed nothing more."""
        self._over, self._ready = True, False
        self._emit(KillWorker())
