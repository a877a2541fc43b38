"""What a monitor does besides where its run has a name to resume it under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridmap import payload
from gridmap.connection import new_token
from gridmap.journal import entries as e
from gridmap.monitor.named import NamedRun
from gridmap.monitor.opening import Opened, open_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gridmap.journal.log import JournalLog
    from gridmap.journal.parking import Parked
    from gridmap.monitor import facts
    from gridmap.monitor.expectation import Call
    from gridmap.monitor.ledger import Ledger
    from gridmap.monitor.outcomes import Sink
    from gridmap.monitor.store import Store
    from gridmap.monitor.surroundings import Surroundings
    from gridmap.payload import Frame, Parcel
    from gridmap.plugins import InstalledBackend
    from gridmap.settings import Settings


class Resumption:
    """A run with a name, new or begun by an earlier process.

    Attributes:
        known: How many of its jobs were known when it was opened.
    """

    def __init__(self, name: str, *, keep_failures: bool, terms: object) -> None:
        """Nothing is opened yet.

        Args:
            name: Its name.
            keep_failures: Whether jobs that ended badly are over.
            terms: What `gridmap attach` has to know of it.
        """
        self.known = 0
        self._name = name
        self._keep_failures = keep_failures
        self._terms = terms
        self._calls: Sequence[Call] = ()
        self._expected = 0
        self._complete: bool | None = None
        self._run: NamedRun | None = None

    @property
    def run(self) -> NamedRun:
        """The run, once it is open."""
        assert self._run is not None, "it is not open"  # noqa: S101 - a bug of ours
        return self._run

    @property
    def log(self) -> JournalLog:
        """Where its entries go."""
        return self.run.log

    def expect(self, calls: Sequence[Call], *, complete: bool) -> None:
        """See `JobMonitor.expect`."""
        self._calls, self._complete = calls, complete
        self._expected = calls[-1].stop if calls else 0

    # Opening ------------------------------------------------------------------------

    def open(
        self,
        backend: InstalledBackend,
        settings: Settings,
        *,
        name: str,
        job_path: str,
        surroundings: list[Surroundings],
    ) -> Opened:
        """Take hold of the run; leave it as it was if that fails.

        Args:
            backend: What starts its runners.
            settings: What they say counts.
            name: What the scheduler calls it.
            job_path: Where its functions' modules are, if its script says so.
            surroundings: Becomes the run's, by number.

        Raises:
            DifferentRunError: If it was begun with something else than is expected.
            RunError: If it cannot be had or used; see `NamedRun`.
        """
        run = NamedRun.open(settings.runs(), self._name, settings.max_journal_bytes)
        try:
            self._check(run, backend.info.name)
            if self._complete is None and run.past.begun is not None:
                job_path = run.past.begun.job_path
            if not self._keep_failures:
                run.past.forget_failures()
            surroundings[:] = run.surroundings()
            token = run.begin(
                new_token(),
                backend.info.name,
                job_path,
                self._terms,
                keep_failures=self._keep_failures,
            )
            opened = open_in(
                run.directory,
                backend,
                settings,
                name=name,
                job_path=job_path,
                token=token,
                resumable=True,
            )
        except BaseException:
            run.close()
            raise
        run.wake = opened.socket.wake
        self._run = run
        return opened

    def _check(self, run: NamedRun, backend: str) -> None:
        if self._complete is None:
            run.check_usable(backend)
        else:
            run.check(backend, self._calls, complete=self._complete)

    def restore(
        self,
        ledger: Ledger,
        store: Store,
        sink: Sink,
        surround: Callable[[Mapping[str, str], str], int],
    ) -> Sequence[Parked]:
        """Make a ledger go on with what the run's journal tells.

        Args:
            ledger: A new one.
            store: Gets functions and inputs of what is not over.
            sink: Gets what came of jobs before.
            surround: Numbers surroundings.

        Returns:
            What runners left behind.
        """
        run = self.run
        planned = [
            (
                call,
                store.functions.add(call.function),
                surround(call.environment, call.directory),
            )
            for call in self._calls
        ]
        self._calls = ()  # all inputs: the store and the journal have what is needed
        if run.new:
            return ()
        plan = run.plan(planned)
        run.supply(store)
        self.known = plan[-1].stop if plan else 0
        ledger.restore(run.past, plan)
        for done, frames in run.past.results:
            self._hand_over(sink, done, frames)
        for ended, frames in run.past.failures.values():
            self._hand_over(sink, ended, frames)
        return run.parked()

    def _hand_over(
        self, sink: Sink, entry: e.Done | e.Ended, frames: Sequence[Frame]
    ) -> None:
        """Deliver what came of jobs before, those beyond a gap excepted."""
        parcels = payload.unpack(frames) if frames else []
        if isinstance(entry, e.Done):
            known = parcels[: max(0, self.known - entry.first)]
            sink.results(entry.first, known, (), None)
        elif entry.job >= self.known:
            return
        elif entry.failure is None:
            sink.verdict(entry.job, entry.verdict)
        else:
            sink.results(entry.job, parcels, (entry.failure,), entry.verdict)

    # Jobs ---------------------------------------------------------------------------

    def fresh(
        self,
        first: int,
        function: Callable[..., Any],
        inputs: Sequence[bytes | Parcel],
    ) -> Sequence[bytes | Parcel]:
        """Return those of the next inputs that the run does not have yet.

        Raises:
            DifferentRunError: If one that it has is not the same.
        """
        if first >= self.known:
            return inputs
        if first >= self._expected:
            self.run.check_more(first, function, inputs)
        return inputs[self.known - first :]

    def added(self, jobs: facts.JobsAdded, inputs: Sequence[bytes | Parcel]) -> None:
        """Write down new jobs, before anybody acts on them."""
        self.run.add(jobs, inputs)

    def close(self) -> None:
        """Let others have the run; all of it stays, but for its key."""
        if self._run is not None:
            self._run.directory.leave()
            self._run.close()
