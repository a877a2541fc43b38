"""What came of jobs, on its way from the monitor's thread to the user's.

The monitor hands over payloads as they came; they are unpickled in the thread that
asks, so that a large result never holds up the heartbeats.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from gridmap import payload
from gridmap.errors import JobException
from gridmap.protocol.messages import Failure, Kind
from gridmap.verdict import Cause, Statement, Verdict, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridmap.payload import Parcel


class Sink(Protocol):
    """Where the monitor puts what came of jobs. Called in the monitor's thread."""

    def results(
        self, first: int, parcels: Sequence[Parcel], failures: Sequence[Failure]
    ) -> None:
        """Jobs from *first* on ended by themselves; failures hold exceptions."""

    def verdict(self, job: int, verdict: Verdict) -> None:
        """A job ended without a payload."""

    def broken(self, error: BaseException) -> None:
        """The run cannot go on."""


@attrs.frozen
class Outcome:
    """What came of one job: a value, or what is raised in its place.

    Attributes:
        job: Its number in the run.
        value: What it returned.
        error: What to raise; None if it returned.
    """

    job: int
    value: Any = None
    error: BaseException | None = None


def open_result(job: int, parcel: Parcel) -> Outcome:
    """Unpickle a value; one that cannot be is an error of that job alone."""
    try:
        return Outcome(job, payload.load(parcel))
    except Exception as error:  # noqa: BLE001 - a stranger's __setstate__ may raise anything
        said = Statement(
            witness=Witness.USER,
            text=f"the value arrived, but cannot be unpickled here: "
            f"{type(error).__name__}: {error}",
            cause=Cause.UNPICKLABLE,
        )
        verdict = Verdict(cause=Cause.UNPICKLABLE, statements=(said,), job=f"job {job}")
        failure = JobException(verdict)
        failure.__cause__ = error
        return Outcome(job, None, failure)


def open_failure(job: int, parcel: Parcel, failure: Failure) -> Outcome:
    """Unpickle an exception, which never fails."""
    error = payload.load_exception(parcel)
    if failure.kind is not Kind.EXITED:
        return Outcome(job, None, error)
    said = Statement(
        witness=Witness.WORKER,
        text=f"the function called sys.exit({getattr(error, 'code', '')!r})",
        cause=Cause.EXITED,
        exit_status=failure.status,
    )
    verdict = Verdict(cause=Cause.EXITED, statements=(said,), job=f"job {job}")
    exited = JobException(verdict)
    exited.__cause__ = error.__cause__
    return Outcome(job, None, exited)


class Outcomes:
    """A sink from which one thread takes outcomes, one by one, as they come."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def results(
        self, first: int, parcels: Sequence[Parcel], failures: Sequence[Failure]
    ) -> None:
        """See `Sink`."""
        self._queue.put((first, parcels, failures))

    def verdict(self, job: int, verdict: Verdict) -> None:
        """See `Sink`."""
        self._queue.put(Outcome(job, None, JobException(verdict)))

    def broken(self, error: BaseException) -> None:
        """See `Sink`."""
        self._queue.put(error)

    def take(self) -> Iterator[Outcome]:
        """Wait for the next jobs to end and yield what came of them.

        Raises:
            GridMapError: If the run cannot go on.
        """
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, Outcome):
            yield item
            return
        first, parcels, failures = item
        failed = {failure.offset: failure for failure in failures}
        for offset, parcel in enumerate(parcels):
            job = first + offset
            if offset in failed:
                yield open_failure(job, parcel, failed[offset])
            else:
                yield open_result(job, parcel)
