"""What came of jobs, on its way from the monitor's thread to the user's.

The monitor hands over payloads as they came; they are unpickled in the thread that
asks, so that a large result never holds up the heartbeats.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from gridmap import payload
from gridmap.errors import JobException, RemoteTraceback
from gridmap.monitor.shortage import shortage
from gridmap.verdict import Cause, Statement, Verdict, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gridmap.payload import Frame, Parcel
    from gridmap.protocol.messages import Failure


class Sink(Protocol):
    """Where the monitor puts what came of jobs. Called in the monitor's thread."""

    def results(
        self,
        first: int,
        parcels: Sequence[Frame | Parcel],
        failures: Sequence[Failure],
        verdict: Verdict | None,
    ) -> None:
        """Jobs from *first* on ended by themselves; failures hold exceptions.

        Where one failed, it is the only one, and there is a verdict.
        """

    def verdict(self, job: int, verdict: Verdict) -> None:
        """A job ended without a payload."""

    def broken(self, error: BaseException) -> None:
        """The run cannot go on."""


class Outcome(NamedTuple):
    """What came of one job: a value, or what is raised in its place.

    A tuple, since every job has one: a frozen attrs class takes thrice as long.

    Attributes:
        job: Its number in the run.
        value: What it returned.
        error: What to raise; None if it returned.
    """

    job: int
    value: Any = None
    error: BaseException | None = None


def open_result(
    job: int, parcel: Frame | Parcel, name: Callable[[int], str]
) -> Outcome:
    """Unpickle a value; one that cannot be is an error of that job alone."""
    try:
        return Outcome(job, payload.load(parcel))
    except MemoryError:
        return Outcome(job, None, shortage(f"hold what {name(job)} returned"))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's __setstate__ may raise anything, and import a script that exits
        said = Statement(
            witness=Witness.USER,
            text=f"the value arrived, but cannot be unpickled here: "
            f"{type(error).__name__}: {error}",
            cause=Cause.UNPICKLABLE,
        )
        verdict = Verdict(cause=Cause.UNPICKLABLE, statements=(said,), job=name(job))
        failure = JobException(verdict)
        failure.__cause__ = error
        return Outcome(job, None, failure)


def open_failure(
    job: int, parcel: Frame | Parcel, failure: Failure, verdict: Verdict
) -> Outcome:
    """Unpickle an exception, which never fails; its traceback tells where it was."""
    from gridmap.protocol.messages import Kind  # noqa: PLC0415 - before runners are started

    if not isinstance(parcel, payload.Parcel):
        parcel = payload.Parcel(bytes(parcel))
    error = payload.load_exception(parcel)
    if failure.kind is Kind.EXITED:
        said = Statement(
            witness=Witness.WORKER,
            text=f"the function called sys.exit({getattr(error, 'code', '')!r})",
        )
        statements = (*verdict.statements, said)
        exited = JobException(msgspec.structs.replace(verdict, statements=statements))
        exited.__cause__ = error.__cause__
        return Outcome(job, None, exited)
    if isinstance(error.__cause__, RemoteTraceback):
        where = f"{verdict.job}, attempt {verdict.attempt}, on {verdict.node}"
        before = "".join(f"before: {one.summary()}\n" for one in verdict.earlier)
        text = f"{where}:\n{before}{error.__cause__.text}"
        if verdict.lacked_memory:
            text += f"\nnext step: {verdict.advise()}\n"
        error.__cause__ = RemoteTraceback(text)
    return Outcome(job, None, error)


class Outcomes:
    """A sink from which one thread takes outcomes, one by one, as they come.

    Attributes:
        straight: Who is told of a value that is plain data, in the monitor's thread, so
            that nobody else has to wake for it; says whether it has taken that. None:
            nobody, all are taken.
    """

    def __init__(self, name: Callable[[int], str] = "job {}".format) -> None:
        """Begin with nothing.

        Args:
            name: How the user knows a job.
        """
        self._name = name
        self.straight: Callable[[int, object], bool] | None = None
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def results(
        self,
        first: int,
        parcels: Sequence[Frame | Parcel],
        failures: Sequence[Failure],
        verdict: Verdict | None,
    ) -> None:
        """See `Sink`."""
        if self.straight is not None and len(parcels) == 1 and not failures:
            plain = payload.load_plain(parcels[0])
            if plain is not None and self.straight(first, plain[0]):
                return
        self._queue.put((first, parcels, failures, verdict))

    def verdict(self, job: int, verdict: Verdict) -> None:
        """See `Sink`."""
        self._queue.put(Outcome(job, None, JobException(verdict)))

    def broken(self, error: BaseException) -> None:
        """See `Sink`."""
        self._queue.put(error)

    @property
    def waiting(self) -> int:
        """How much has come that was not taken yet; each `take` takes one."""
        return self._queue.qsize()

    def take(
        self, *, wait: bool = True, into: dict[int, Any] | None = None
    ) -> Iterator[Outcome]:
        """Yield what came of the next jobs that ended.

        Args:
            wait: Whether to wait for some if there are none; else none is yielded.
            into: Where values are put by job, instead of being yielded, if all of a
                message are small; that takes a third of the time. None: nowhere.

        Raises:
            GridMapError: If the run cannot go on.
        """
        try:
            item = self._queue.get(block=wait)
        except queue.Empty:
            return
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, Outcome):
            yield item
            return
        first, parcels, failures, verdict = item
        if into is not None and not failures and self._take_all(item, into):
            return
        failed = {first + failure.offset: failure for failure in failures}
        for job, parcel in enumerate(parcels, first):
            if failed and job in failed:
                yield open_failure(job, parcel, failed[job], verdict)
            else:
                yield open_result(job, parcel, self._name)

    def _take_all(self, item: Any, into: dict[int, Any]) -> bool:
        """Put the values of a message where they are wanted; or none of them."""
        first, parcels, _, _ = item
        try:
            values = payload.load_all(parcels)
            if values is not None:
                into.update(enumerate(values, first))
        except BaseException:  # Ctrl-C: what has come is still to be had
            self._queue.put(item)
            raise
        return values is not None
