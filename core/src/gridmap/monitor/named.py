"""A run that can be resumed, held by this process: its directory, lock and journal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap import payload
from gridmap.errors import DifferentRunError, RunError
from gridmap.journal import entries as e
from gridmap.journal import parking
from gridmap.journal.lock import RunLock
from gridmap.journal.log import JournalLog
from gridmap.journal.record import Item
from gridmap.journal.writer import LARGEST_BYTES
from gridmap.monitor import expectation
from gridmap.monitor.expectation import Call, Checker
from gridmap.monitor.past import Restored
from gridmap.monitor.restoration import Segment, segments
from gridmap.monitor.surroundings import Surroundings
from gridmap.rundir import RunDirectory
from gridmap.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gridmap.journal.parking import Parked
    from gridmap.monitor import facts
    from gridmap.monitor.store import Store
    from gridmap.payload import Frame

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = 10.0


def read(items: Iterable[Item]) -> Restored:
    """Return the run that the items of a journal tell of.

    Raises:
        RunError: If another version of gridmap wrote them.
    """
    past = Restored()
    for item in items:
        past.take(e.decode(item.body), item.frames)
    return past


@attrs.define(eq=False)
class NamedRun:
    """A run with a name to resume it under.

    Attributes:
        name: The name.
        directory: Its directory, which outlives this process.
        past: What its journal told when it was opened.
        wake: Called, in the journal's thread, when more of it is written.
    """

    name: str
    directory: RunDirectory
    past: Restored
    wake: Callable[[], None]
    _lock: RunLock
    _log: JournalLog
    _checker: Checker = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make what compares a script's jobs with the run's."""
        self._checker = Checker(self.past, self.name)

    @classmethod
    def open(
        cls, base: Path, name: str, largest_bytes: int = LARGEST_BYTES
    ) -> NamedRun:
        """Take hold of a run, new or begun by an earlier process.

        Args:
            base: Where runs go.
            name: Its name, any text.
            largest_bytes: How large its journal may become.

        Raises:
            RunBusyError: If another process drives it.
            RunError: If its directory is unsafe, or its journal cannot be used.
        """
        directory = RunDirectory.named(base, name)
        wakes: list[Callable[[], None]] = []

        def wake() -> None:
            for each in wakes:
                each()

        with contextlib.ExitStack() as stack:
            lock = RunLock.take(directory)
            stack.callback(lock.release)
            log = JournalLog.open(
                directory.journal,
                on_commit=wake,
                locks=lock.works,
                largest_bytes=largest_bytes,
            )
            stack.callback(log.close, _PATIENCE_S)
            past = read(log.read())
            stack.pop_all()
        if log.damage is not None:
            _log.warning("run %r: %s", name, log.damage)
        run = cls(name, directory, past, lambda: None, lock, log)
        wakes.append(lambda: run.wake())  # noqa: PLW0108 - whatever it is by then
        return run

    @property
    def log(self) -> JournalLog:
        """Where entries go."""
        return self._log

    @property
    def new(self) -> bool:
        """Whether nothing is known of it yet."""
        return self.past.begun is None

    def note(self, entry: e.Entry, frames: Sequence[Frame] = ()) -> None:
        """Have an entry written, soon. Any thread."""
        self._log.put([Item(e.encode(entry), tuple(frames))])

    def close(self) -> None:
        """Write what is waiting, and let other processes have the run. Idempotent."""
        self._log.close(_PATIENCE_S)
        self._lock.release()

    def parked(self) -> list[Parked]:
        """Return what runners left behind while nobody drove the run."""
        return list(parking.find(self.directory.path))

    # Before it is resumed -----------------------------------------------------------

    def check(self, backend: str, calls: Sequence[Call], *, complete: bool) -> None:
        """See that a script resumes what was begun; learn from it what was lost.

        Args:
            backend: Name of the backend it is to go on with.
            calls: What the script hands in, all of it or the first of it.
            complete: Whether that is all.

        Raises:
            DifferentRunError: If it is not the same.
            RunError: If it cannot be resumed with this Python.
        """
        if self.new:
            return
        self.check_usable(backend)
        if complete:
            self._checker.check_count(sum(len(call.inputs) for call in calls))
        for call in calls:
            for chunk in call.chunks():
                self._checker.check(chunk)

    def check_usable(self, backend: str) -> None:
        """See that this process can go on with it.

        Raises:
            DifferentRunError: If it runs elsewhere.
            RunError: If it was begun with another Python.
        """
        begun = self.past.begun
        if begun is None:
            return
        if begun.python != sys.version_info[:2]:
            had, have = (
                (".".join(map(str, v))) for v in (begun.python, sys.version_info[:2])
            )
            msg = (
                f"run {self.name!r} was begun with Python {had}, and this is {have}: "
                f"what it holds can be read by {had} only. Use that, or begin anew: "
                f"gridmap forget {self.name!r}"
            )
            raise RunError(msg)
        if begun.backend != backend and self.past.runners:
            text = (
                f"its runners are those of backend {begun.backend!r}, "
                f"not of {backend!r}"
            )
            raise DifferentRunError(self.name, text)

    def check_more(
        self,
        first: int,
        function: Callable[..., Any],
        inputs: Sequence[bytes | payload.Parcel],
    ) -> None:
        """See that the next jobs a script hands in are the run's next jobs.

        Raises:
            DifferentRunError: If they are not.
        """
        call = Call(first=first, function=function, inputs=inputs)
        if not all(self._checker.check(chunk) for chunk in call.chunks()):
            text = f"its inputs from number {first} on are not as many as they were"
            raise DifferentRunError(self.name, text)

    def add(
        self, added: facts.JobsAdded, inputs: Sequence[bytes | payload.Parcel]
    ) -> None:
        """Write down jobs that are new."""
        for at in range(0, len(inputs), expectation.CHUNK):
            part = inputs[at : at + expectation.CHUNK]
            first = added.first + at
            entry = e.Added(
                first=first,
                stop=first + len(part),
                function=added.function,
                resources=added.resources,
                surroundings=added.surroundings,
            )
            self.note(entry, payload.pack(part))

    def begin(
        self,
        token: str,
        backend: str,
        job_path: str,
        terms: object,
        *,
        keep_failures: bool,
    ) -> str:
        """Write down by what the run goes from now on; return its token.

        Args:
            token: A new one, for a run that has none.
            backend: Name of its backend.
            job_path: Where its functions' modules are.
            terms: What `gridmap attach` has to know; any object that can be pickled.
            keep_failures: Whether jobs that ended badly are over.
        """
        begun = self.past.begun
        token = begun.token if begun is not None else token
        parcel = payload.dump(terms, what="the terms of the run")
        entry = e.Begun(
            token=token,
            name=self.name,
            backend=backend,
            python=sys.version_info[:2],
            gridmap=__version__,
            job_path=job_path,
            keep_failures=keep_failures,
        )
        self.note(entry, (parcel.head, *parcel.buffers))
        return token

    def surroundings(self) -> list[Surroundings]:
        """Return its surroundings by number; those that are lost are empty."""
        known = self.past.surroundings
        return [
            Surroundings(known[n].environment, known[n].directory, known[n].path)
            if n in known
            else Surroundings({}, "", ())
            for n in range(max(known, default=-1) + 1)
        ]

    def surround(self, number: int, around: Surroundings) -> None:
        """Write down surroundings."""
        self.note(
            e.Surround(
                number=number,
                environment=dict(around.environment),
                directory=around.directory,
                path=around.path,
            )
        )

    def supply(self, store: Store) -> None:
        """Put functions and inputs of what is not over into a store."""
        for digest, frames in self.past.contents.items():
            store.functions.keep(digest, frames)
        for first, (added, frames) in self.past.inputs.items():
            parts = self.past.parts(first, added.stop)
            if not all(state.final for _, _, state, _ in parts):
                store.add_inputs(first, payload.unpack(frames))

    def plan(self, calls: Sequence[tuple[Call, bytes, int]]) -> list[Segment]:
        """Return how the run's jobs are to be run from now on.

        Jobs that the journal does not know, since it was damaged, are added to it.

        Args:
            calls: What a script hands in: the calls, the content address of their
                function, and the number of their surroundings.
        """
        wanted: dict[int, Segment] = {}
        for call, function, surroundings in calls:
            for chunk in call.chunks():
                added = e.Added(
                    first=chunk.first,
                    stop=chunk.stop,
                    function=function,
                    resources=chunk.resources,
                    surroundings=surroundings,
                )
                if chunk.first not in self.past.inputs and (
                    chunk.first < self.past.jobs
                ):
                    frames = payload.pack(chunk.inputs)
                    self.past.take(added, frames)
                    self.note(added, frames)
                wanted[chunk.first] = Segment(
                    first=chunk.first,
                    stop=chunk.stop,
                    function=function,
                    resources=chunk.resources,
                    surroundings=surroundings,
                )
        return [wanted.get(one.first, one) for one in segments(self.past)]
