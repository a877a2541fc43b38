"""Functions and inputs as they will be sent, kept until nobody can need them again."""

from __future__ import annotations

import bisect
import operator
import threading
from typing import TYPE_CHECKING, Any

from gridmap import payload
from gridmap.errors import UnpicklableError
from gridmap.journal import entries as e
from gridmap.payload import Parcel, held, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gridmap.control.kept import Keeper
    from gridmap.payload import Frame


def encode_call(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None, number: int
) -> bytes | Parcel:
    """Return one call's arguments as they travel.

    Raises:
        UnpicklableError: If one of them cannot; it names which, and what of it.
    """
    plain = payload.dump_call(args, kwargs)
    return plain or payload.dump((args, kwargs), what=f"input {number}")


class Store:
    """What the jobs of a run are made of. Filled by the user's threads, read by one."""

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
        self._keeper = keeper
        self._calls: list[tuple[int, bytes, int]] = []
        self._journal = journal
        self._compression = compression
        self._largest = largest
        self._neighbours = neighbours
        self._functions: dict[bytes, list[Frame]] = {}
        self._encoded: dict[bytes, list[Frame]] = {}
        self._alike: dict[bytes, list[bytes]] = {}
        self._lock = threading.Lock()
        self._checkpoints: dict[bytes, list[Frame]] = {}
        self._digests: dict[int, tuple[object, bytes]] = {}
        self._inputs: dict[int, bytes | Parcel] = {}
        self._large: set[int] = set()

    def add_function(self, function: Callable[..., Any]) -> bytes:
        """Take in a function and return its content address.

        Raises:
            UnpicklableError: If it cannot be sent; it names the part at fault.
        """
        known = self._digests.get(id(function))
        if known is not None and known[0] is function:
            return known[1]
        what = payload.describe(function)
        parcel = payload.dump(function, what=what)
        self._check(parcel, what)
        frames = [parcel.head, *parcel.buffers]
        if self._neighbours:
            frames = [held.hold(frame, lasting=True) for frame in frames]
        with self._lock:
            digest = self._address(frames)
            self._functions.setdefault(digest, frames)
        self._digests[id(function)] = (function, digest)
        if self._journal is not None:
            from gridmap.payload.fingerprint import fingerprint  # noqa: PLC0415 - few runs need it

            content = e.Content(
                digest=digest, name=what, fingerprint=fingerprint(function)
            )
            self._journal(content, frames)
        return digest

    def _address(self, frames: list[Frame]) -> bytes:
        """Return what stands for frames within this run.

        Reading 50 MB for their digest takes longer than all else that is done with
        them. What is held, so that nobody changes it, is compared instead with what
        looks the same. A journal outlives the run, and needs the digest.
        """
        loose = [frame for frame in frames if held.sealed_in(frame) is None]
        light = sum(map(len, loose)) < memory.LEAST_BYTES
        if self._journal is not None or len(loose) == len(frames) or not light:
            return payload.digest(frames)
        sketch = payload.sketch(frames)
        alike = self._alike.setdefault(sketch, [])
        for digest in alike:
            if payload.same(self._functions[digest], frames):
                return digest
        alike.append(payload.digest([sketch, len(alike).to_bytes(8, "little")]))
        return alike[-1]

    def keep_function(self, digest: bytes, frames: Sequence[Frame]) -> None:
        """Take in a function that is pickled already."""
        self._functions[digest] = list(frames)

    def add_inputs(self, first: int, inputs: Sequence[bytes | Parcel]) -> None:
        """Take in the inputs of jobs from *first* on.

        Raises:
            UnpicklableError: If one of them is too large to be sent.
        """
        large: dict[int, Parcel] = {}
        least = memory.LEAST_BYTES
        for job, call in enumerate(inputs, first):
            if type(call) is not bytes or len(call) >= least:
                self._check(call, f"input {job}")
                parcel = _parcel(call)
                if parcel.nbytes >= least:
                    large[job] = parcel
        self._inputs.update(enumerate(inputs, first))
        if large:
            self._large.update(large)
            self._settle(large, held.hold if self._neighbours else _as_it_is)

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
        if not neighbour:
            return self._plain(digest)
        frames = self._functions[digest]
        return payload.encode(frames, self._compression, neighbour=True)

    def _plain(self, digest: bytes) -> list[Frame]:
        """Return a function's frames for who cannot open our memory."""
        if digest not in self._encoded:
            frames = self._functions[digest]
            self._encoded[digest] = payload.encode(frames, self._compression)
        return self._encoded[digest]

    def is_checkpoint(self, digest: bytes) -> bool:
        """Return whether this is a checkpoint, and is no function besides."""
        return digest in self._checkpoints and digest not in self._functions

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

    def called(self, first: int, digest: bytes, surroundings: int) -> None:
        """Note what jobs from *first* on call, and where; in their order."""
        if self._keeper is not None and (
            not self._calls or self._calls[-1][1:] != (digest, surroundings)
        ):
            self._calls.append((first, digest, surroundings))

    def failed(self, job: int) -> None:
        """Have a job kept that failed, before it is dropped."""
        inputs = self._inputs.get(job)
        if self._keeper is None or self._keeper.full or inputs is None:
            return
        place = bisect.bisect_right(self._calls, job, key=operator.itemgetter(0))
        _, digest, surroundings = self._calls[place - 1]
        function = self._plain(digest)
        self._keeper.put(job, digest, function, surroundings, inputs)

    def drop(self, first: int, stop: int) -> None:
        """Forget the inputs of jobs that are final."""
        for job in range(first, stop):
            self._inputs.pop(job, None)
        if self._large:
            self._large.difference_update(range(first, stop))

    def clear(self) -> None:
        """Forget everything: the run is over, whoever still holds it."""
        with self._lock:
            for table in (self._functions, self._encoded, self._checkpoints):
                table.clear()
            self._alike.clear()
        self._digests.clear()
        self._inputs.clear()
        self._large.clear()


def _parcel(call: bytes | Parcel) -> Parcel:
    return call if isinstance(call, Parcel) else Parcel(call)


def _as_it_is(frame: Frame) -> Frame:
    return frame
