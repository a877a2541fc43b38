"""Runs that can be resumed, seen and driven from outside the script that began them.

What a run needs to go on, its functions, inputs and terms, stands in its journal. So
any process of its user's can drive it, once the one before it is dead; its results wait
in the journal for the script, called again, to fetch them.
"""

from __future__ import annotations

import difflib
import logging
import threading
from typing import TYPE_CHECKING

import msgspec

from gridmap import plugins
from gridmap.backend import Killed, RunContext
from gridmap.errors import InvalidRequestError, RunError
from gridmap.journal.lock import RunLock, driver_of
from gridmap.journal.log import JournalLog, read_only
from gridmap.lifecycle import JobState
from gridmap.mapping import Terms
from gridmap.monitor.monitor import JobMonitor
from gridmap.monitor.named import read
from gridmap.monitor.opening import choose_backend
from gridmap.rundir import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gridmap.driver import Driver
    from gridmap.events import AnyEvent
    from gridmap.monitor.past import Restored
    from gridmap.payload import Frame, Parcel
    from gridmap.protocol.messages import Failure
    from gridmap.settings import Settings
    from gridmap.verdict import Verdict

_log = logging.getLogger(__name__)


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is that can be resumed.

    Attributes:
        name: Its name.
        token: What tells it apart from all others; empty if nothing was written down.
        backend: Name of the backend that starts its runners.
        jobs: How many jobs were handed in.
        done: How many of them returned.
        failed: How many ended badly.
        complete: Whether its script handed in all there are to be.
        forgiving: Whether jobs that ended badly are over; else they are run again.
        driver: The process that drives it; None if none does.
        directory: Where it keeps its files.
    """

    name: str
    token: str
    backend: str
    jobs: int
    done: int
    failed: int
    complete: bool
    forgiving: bool
    driver: Driver | None
    directory: Path

    @property
    def finished(self) -> bool:
        """Whether every job is over."""
        over = self.done + self.failed if self.forgiving else self.done
        return self.complete and over == self.jobs


def run_states(base: Path) -> list[RunState]:
    """Return the runs of a base that can be resumed, by name.

    Those whose journal cannot be read are left out, which is logged.

    Args:
        base: Where runs go; see `Settings.runs`.

    Raises:
        RunError: If it cannot be read.
    """
    found = []
    for directory in RunDirectory.all_named(base):
        try:
            found.append(_state(directory))
        except RunError as error:
            _log.warning("run %r is left out: %s", directory.given_name, error)
    return found


def run_state(base: Path, name: str) -> RunState:
    """Return how far a run is.

    Raises:
        InvalidRequestError: If there is none of that name; names those there are.
        RunError: If its journal cannot be read.
    """
    return _state(_find(base, name))


def _find(base: Path, name: str) -> RunDirectory:
    runs = RunDirectory.all_named(base)
    found = next((run for run in runs if run.given_name == name), None)
    if found is None:
        raise InvalidRequestError(_unknown(base, name, runs))
    return found


def _unknown(base: Path, name: str, runs: Sequence[RunDirectory]) -> str:
    names = [run.given_name or run.name for run in runs]
    said = f"there is no run named {name!r} in {base} that could be resumed"
    if not names:
        return f"{said}, nor any other: call grid_map(..., resume=NAME) to begin one"
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f". Did you mean {close[0]!r}?" if close else "."
    return f"{said}{hint} There are: {', '.join(map(repr, names))}"


def _state(directory: RunDirectory) -> RunState:
    past = read(read_only(directory.journal))
    return RunState(
        name=directory.given_name or directory.name,
        token=past.begun.token if past.begun else "",
        backend=past.begun.backend if past.begun else "",
        jobs=past.jobs,
        done=past.count(JobState.DONE),
        failed=past.count(JobState.FAILED),
        complete=past.sealed,
        forgiving=past.begun is not None and past.begun.keep_failures,
        driver=driver_of(directory),
        directory=directory.path,
    )


class _Count:
    """A sink that only counts: results wait in the journal, unread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.over = 0
        self.failed = 0
        self.error: BaseException | None = None
        self.first: Verdict | None = None

    def results(
        self,
        first: int,
        parcels: Sequence[Frame | Parcel],
        failures: Sequence[Failure],
        verdict: Verdict | None,
    ) -> None:
        """See `gridmap.monitor.outcomes.Sink`."""
        del first
        self._add(len(parcels), len(failures), verdict)

    def verdict(self, job: int, verdict: Verdict) -> None:
        """See `gridmap.monitor.outcomes.Sink`."""
        del job
        self._add(1, 1, verdict)

    def broken(self, error: BaseException) -> None:
        """See `gridmap.monitor.outcomes.Sink`."""
        with self._changed:
            self.error = error
            self._changed.notify()

    def _add(self, over: int, failed: int, verdict: Verdict | None) -> None:
        with self._changed:
            self.over += over
            self.failed += failed
            if failed and self.first is None:
                self.first = verdict
            self._changed.notify()

    def wait(self, jobs: int, *, failures: bool) -> None:
        """Wait until so many jobs are over, or, unless failures may be, one failed.

        Raises:
            GridMapError: If the run cannot go on.
        """
        with self._changed:
            while self.over < jobs and (failures or not self.failed):
                if self.error is not None:
                    raise self.error
                self._changed.wait()


def drive(
    base: Path,
    name: str,
    observers: Sequence[tuple[str, Callable[[AnyEvent], None]]] = (),
) -> Verdict | None:
    """Go on with a run that nobody drives, until all its jobs are over.

    Blocks. What comes of jobs is written to the run's journal, from where the script
    that began it takes it when it is started again. Ctrl-C kills the runners, as it
    does in the script.

    Args:
        base: Where runs go.
        name: The run's name.
        observers: Names and functions that are told of every event.

    Returns:
        Why a job failed that stopped the run; None if all are over.

    Raises:
        InvalidRequestError: If there is none of that name.
        RunBusyError: If a process drives it.
        RunError: If it cannot be resumed here; says why.
    """
    directory = _find(base, name)
    past = read(read_only(directory.journal))
    if past.begun is None:
        msg = f"the journal of run {name!r} does not tell how it was begun: start its script again"
        raise RunError(msg)
    terms = _terms(past, name)
    count = _Count()
    monitor = JobMonitor(
        None,
        backend=past.begun.backend,
        name=terms.name,
        max_workers=terms.max_workers,
        jobs_per_runner=terms.jobs_per_runner,
        retry=terms.retry,
        settings={**terms.settings, "run_directory": str(base)},
        sink=count,
        observers=observers,
        job_name=lambda job: f"{terms.name}{job}",
        resume=name,
        keep_failures=terms.return_exceptions,
        terms=terms,
    )
    monitor.open()
    error: BaseException | None = None
    try:
        count.wait(monitor.known, failures=terms.return_exceptions)
    except BaseException as caught:
        error = caught
        raise
    finally:
        unfinished = error is not None or count.over < monitor.known
        monitor.close(kill=unfinished, error=error)
    return None if terms.return_exceptions else count.first


def _terms(past: Restored, name: str) -> Terms:
    """Return the terms of a run; its user's own file says them."""
    from gridmap import payload  # noqa: PLC0415 - what lists runs needs none of it

    head, *buffers = past.terms
    terms = payload.load(payload.Parcel(bytes(head), tuple(buffers)))
    if not isinstance(terms, Terms):
        msg = f"run {name!r} was begun by a program of its own: start that again"
        raise RunError(msg)
    return terms


def forget(base: Path, name: str, settings: Settings) -> int:
    """End the runners of a run that nobody drives, and remove all there is of it.

    Args:
        base: Where runs go.
        name: The run's name.
        settings: What they say of its backend counts.

    Returns:
        How many runners were ended.

    Raises:
        InvalidRequestError: If there is none of that name.
        RunBusyError: If a process drives it.
        BackendUnavailableError: If the scheduler cannot be asked for its runners; the
            run is as it was.
        RunError: If the scheduler does not end them; the run is as it was.
    """
    _find(base, name)
    directory = RunDirectory.named(base, name)
    lock = RunLock.take(directory)
    try:
        killed = _end_runners(_past(directory, lock), directory, settings)
        directory.remove()
    finally:
        lock.release()
    directory.remove()  # what a network file system kept while it was in use
    return killed


def _past(directory: RunDirectory, lock: RunLock) -> Restored:
    """Return what a journal tells that is about to be removed, mended if it can be.

    Where it cannot be opened for writing it is read: a full disk is a reason to remove
    a run, and must not be in the way of that.
    """
    try:
        log = JournalLog.open(directory.journal, locks=lock.works)
    except RunError:
        if not directory.journal.exists():  # nothing was ever begun
            return read(())
        return read(read_only(directory.journal, locks=lock.works))
    try:
        return read(log.read())
    finally:
        log.close(0.0)


def _end_runners(past: Restored, directory: RunDirectory, settings: Settings) -> int:
    begun = past.begun
    if begun is None or not past.runners:
        return 0
    backend = choose_backend(begun.backend, require_cluster=False)
    context = RunContext(
        token=begun.token,
        name=begun.name,
        directory=directory.path,
        logs=directory.logs,
        options=settings.backends.get(backend.info.name, {}),
    )
    verbs = plugins.RunPlugins(backend.create(), context, name=backend.info.name)
    try:
        verbs.capabilities()
        living = frozenset(verbs.attach())
        answer = verbs.kill(living) if living else {}
    finally:
        verbs.close()
    left = sorted(str(h) for h, done in answer.items() if done is Killed.FAILED)
    if left:
        msg = (
            f"run {begun.name!r} is not removed: {backend.info.name} was asked to end "
            f"its runners and did not end {', '.join(left)}. Try again when it answers, "
            "or end them with its own command first"
        )
        raise RunError(msg)
    return len(living)
