"""Functions and inputs as they will be sent, kept until nobody can need them again."""

from __future__ import annotations

import bisect
import itertools
import operator
import threading
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from gridmap import payload
from gridmap.errors import UnpicklableError
from gridmap.monitor.functions import Functions
from gridmap.payload import Parcel, held, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gridmap.control.kept import Keeper
    from gridmap.journal import entries as e
    from gridmap.payload import Frame

_FEW: Final = 1000


def encode_call(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None, number: int
) -> bytes | Parcel:
    """Return one call's arguments as they travel.

    Raises:
        UnpicklableError: If one of them cannot; it names which, and what of it.
    """
    plain = payload.dump_call(args, kwargs)
    try:
        return plain or payload.dump((args, kwargs), what=f"input {number}")
    except UnpicklableError as error:
        path = _of_call(error.path, alone=len(args) == 1 and not kwargs)
        named = UnpicklableError(error.what, path, error.reason, error.advice)
        raise named from error.__cause__


def _of_call(path: str, *, alone: bool) -> str:
    """Return the way to a part of a call in its user's words.

    Args:
        path: The way from the pair of its positional and its keyword arguments.
        alone: Whether it has one argument, which is the input then.
    """
    pairs = (("[0][0]", ""),) if alone else (("[0]", "args"), ("[1]", "kwargs"))
    for internal, told in pairs:
        if path.startswith(internal):
            return told + path.removeprefix(internal)
    return path


def encode_apart(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None, number: int
) -> bytes | Parcel:
    """Return one call's arguments as they are now, whatever becomes of them.

    Raises:
        UnpicklableError: If one of them cannot be sent; it names which.
    """
    call = encode_call(args, kwargs, number)
    return call.detach() if isinstance(call, Parcel) else call


class _Calls(msgspec.Struct):
    """Jobs in a row that call the same; ``open`` of them are not over."""

    first: int
    stop: int
    digest: bytes
    surroundings: int
    open: int


class Store:
    """What the jobs of a run are made of. Filled by the user's threads, read by one.

    Attributes:
        functions: What is called.
    """

    def __init__(
        self,
        compression: str,
        largest: int,
        journal: Callable[[e.Entry, Sequence[Frame]], None] | None = None,
        keeper: Keeper | None = None,
        *,
        neighbours: bool = False,
    ) -> None:
        """Begin empty.

        Args:
            compression: The setting.
            largest: Bytes one piece may have: runners take no more.
            journal: Where new functions are written down; None: nowhere.
            keeper: Where jobs that failed are kept; None: nowhere.
            neighbours: Whether all runners are on this host, so that large frames are
                best put where they can be passed on as soon as they come.
        """
        self.functions = Functions(
            compression, self._check, journal, neighbours=neighbours
        )
        self._keeper = keeper
        self._calls: list[_Calls] = []
        self._living = 0
        self._lock = threading.Lock()
        self._compression = compression
        self._largest = largest
        self._neighbours = neighbours
        self._checkpoints: dict[bytes, list[Frame]] = {}
        self._inputs: dict[int, bytes | Parcel] = {}
        self._large: set[int] = set()

    def add_inputs(self, first: int, inputs: Sequence[bytes | Parcel]) -> None:
        """Take in the inputs of jobs from *first* on.

        Raises:
            UnpicklableError: If one of them is too large to be sent.
        """
        large = self._large_among(first, inputs)
        self._inputs.update(enumerate(inputs, first))
        if large:
            self._large.update(large)
            self._settle(large, held.hold if self._neighbours else _as_it_is)

    def _large_among(
        self, first: int, inputs: Sequence[bytes | Parcel]
    ) -> dict[int, Parcel]:
        """Return the inputs that are large, by job; see that none is too large."""
        large: dict[int, Parcel] = {}
        least = memory.LEAST_BYTES
        if set(map(type, inputs)) == {bytes} and max(map(len, inputs)) < least:
            return (
                large  # as nearly always, and seen without a step of Python's for each
            )
        for job, call in enumerate(inputs, first):
            if type(call) is not bytes or len(call) >= least:
                self._check(call, f"input {job}")
                parcel = _parcel(call)
                if parcel.nbytes >= least:
                    large[job] = parcel
        return large

    def _check(self, call: bytes | Parcel, what: str) -> None:
        pieces = (call,) if isinstance(call, bytes) else (call.head, *call.buffers)
        largest = max(memoryview(piece).nbytes for piece in pieces)
        if largest > self._largest:
            reason = (
                f"it has {largest:,} bytes in one piece, more than the "
                f"{self._largest:,} that the setting max_message_bytes allows"
            )
            advice = "Raise the setting, or write it to a file and pass its path."
            raise UnpicklableError(what, "", reason, advice)

    def function(self, digest: bytes, *, neighbour: bool) -> list[Frame]:
        """Return the frames of a function, or of a checkpoint that stands for one.

        Args:
            digest: What stands for it.
            neighbour: Whether they are for one who can open our memory.
        """
        if digest in self._checkpoints:
            return self._checkpoints[digest]
        functions = self.functions
        return functions.shared(digest) if neighbour else functions.plain(digest)

    def is_checkpoint(self, digest: bytes) -> bool:
        """Return whether this is a checkpoint, and is no function besides."""
        return digest in self._checkpoints and digest not in self.functions

    def keep(self, digest: bytes, frames: list[Frame]) -> None:
        """Keep a checkpoint as it came, until `forget`."""
        self._checkpoints[digest] = frames

    def forget(self, digest: bytes) -> None:
        """Forget a checkpoint; a function that is equal to it stays."""
        self._checkpoints.pop(digest, None)

    def inputs(self, first: int, stop: int, *, neighbour: bool) -> list[Frame]:
        """Return the frames of the inputs of jobs ``first`` to ``stop - 1``.

        Args:
            first: The first job.
            stop: The job after the last.
            neighbour: Whether they are for one who can open our memory.
        """
        if neighbour and self._large:
            self._hold(self._large.intersection(range(first, stop)))
        parcels = [self._inputs[job] for job in range(first, stop)]
        frames = payload.pack(parcels)
        return payload.encode(frames, self._compression, neighbour=neighbour)

    def _hold(self, jobs: Iterable[int]) -> None:
        """Put large inputs where they can be passed on, if there is room by now."""
        self._settle({job: _parcel(self._inputs[job]) for job in jobs}, held.hold)

    def _settle(
        self, calls: Mapping[int, Parcel], put: Callable[[Frame], Frame]
    ) -> None:
        settled = payload.settle(list(calls.values()), put)
        self._inputs.update(zip(calls, settled, strict=True))

    def called(self, jobs: range, digest: bytes, surroundings: int) -> None:
        """Note what jobs call, and where; in their order.

        Each of them needs the function until it is dropped, and the caller, who has
        added it, needs it no more.
        """
        count = len(jobs)
        self.functions.need(digest, count - 1)
        if not jobs:
            return
        with self._lock:
            calls = self._calls
            last = calls[-1] if calls else None
            alike = last and (last.digest, last.surroundings) == (digest, surroundings)
            if last is not None and alike and last.stop == jobs.start:
                last.stop, last.open = jobs.stop, last.open + count
                return
            if len(calls) > 2 * self._living + _FEW:
                self._calls = calls = [one for one in calls if one.open]
                self._living = len(calls)
            one = _Calls(jobs.start, jobs.stop, digest, surroundings, count)
            calls.append(one)

    def failed(self, job: int) -> None:
        """Have a job kept that failed, before it is dropped."""
        inputs = self._inputs.get(job)
        if self._keeper is None or self._keeper.full or inputs is None:
            return
        with self._lock:
            calls = next(self._calling(job, job + 1), None)
        if calls is None:  # of a run that was resumed
            return
        function = self.functions.plain(calls.digest)
        self._keeper.put(job, calls.digest, function, calls.surroundings, inputs)

    def drop(self, first: int, stop: int) -> None:
        """Forget the inputs of jobs that are final."""
        if self._large:
            self._large.difference_update(range(first, stop))
        dropped: list[
            bytes | Parcel
        ] = []  # may hold arrays of the user's: see functions
        with self._lock:
            for calls in self._calling(first, stop):
                jobs = range(max(first, calls.first), min(stop, calls.stop))
                gone = self._drop(jobs)
                dropped += gone
                calls.open -= len(gone)
                self.functions.need(calls.digest, -len(gone))
        if len(dropped) < stop - first:  # some are of a run that was resumed, perhaps
            self._drop(range(first, stop))

    def _drop(self, jobs: range) -> list[bytes | Parcel]:
        dropped = list(map(self._inputs.pop, jobs, itertools.repeat(None)))
        if None in dropped:  # some were dropped before
            return [call for call in dropped if call is not None]
        return cast("list[bytes | Parcel]", dropped)

    def _calling(self, first: int, stop: int) -> Iterator[_Calls]:
        """Yield the calls that jobs ``first`` to ``stop - 1`` are among."""
        at = bisect.bisect_right(self._calls, first, key=operator.attrgetter("first"))
        for calls in map(
            self._calls.__getitem__, range(max(at - 1, 0), len(self._calls))
        ):
            if calls.first >= stop:
                return
            if calls.stop > first:
                yield calls

    def clear(self) -> None:
        """Forget everything: the run is over, whoever still holds it."""
        self.functions.clear()
        self._checkpoints.clear()
        self._inputs.clear()
        self._large.clear()


def _parcel(call: bytes | Parcel) -> Parcel:
    return call if isinstance(call, Parcel) else Parcel(call)


def _as_it_is(frame: Frame) -> Frame:
    return frame
