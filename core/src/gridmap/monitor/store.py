"""Functions and inputs as they will be sent, kept until nobody can need them again."""

from __future__ import annotations

import bisect
import operator
from typing import TYPE_CHECKING, Any

from gridmap import payload
from gridmap.errors import UnpicklableError
from gridmap.journal import entries as e

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.control.kept import Keeper
    from gridmap.payload import Frame, Parcel


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
    ) -> None:
        """Begin empty.

        Args:
            compression: The setting.
            largest: Bytes one piece may have: runners take no more.
            journal: Where new functions are written down; None: nowhere.
            keeper: Where jobs that failed are kept; None: nowhere.
        """
        self._keeper = keeper
        self._calls: list[tuple[int, bytes, int]] = []
        self._journal = journal
        self._compression = compression
        self._largest = largest
        self._functions: dict[bytes, list[Frame]] = {}
        self._checkpoints: dict[bytes, list[Frame]] = {}
        self._digests: dict[int, tuple[object, bytes]] = {}
        self._inputs: dict[int, bytes | Parcel] = {}

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
        digest = payload.digest(parcel)
        self.keep_function(digest, [parcel.head, *parcel.buffers])
        self._digests[id(function)] = (function, digest)
        if self._journal is not None:
            from gridmap.payload.fingerprint import fingerprint  # noqa: PLC0415 - few runs need it

            content = e.Content(
                digest=digest, name=what, fingerprint=fingerprint(function)
            )
            self._journal(content, [parcel.head, *parcel.buffers])
        return digest

    def keep_function(self, digest: bytes, frames: Sequence[Frame]) -> None:
        """Take in a function that is pickled already."""
        self._functions[digest] = payload.encode(frames, self._compression)

    def add_inputs(self, first: int, inputs: Sequence[bytes | Parcel]) -> None:
        """Take in the inputs of jobs from *first* on.

        Raises:
            UnpicklableError: If one of them is too large to be sent.
        """
        for number, call in enumerate(inputs):
            if type(call) is not bytes or len(call) > self._largest:
                self._check(call, f"input {first + number}")
        self._inputs.update(enumerate(inputs, first))

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

    def function(self, digest: bytes) -> list[Frame]:
        """Return the frames of a function, or of a checkpoint that stands for one."""
        return self._checkpoints.get(digest) or self._functions[digest]

    def is_checkpoint(self, digest: bytes) -> bool:
        """Return whether this is a checkpoint, and is no function besides."""
        return digest in self._checkpoints and digest not in self._functions

    def keep(self, digest: bytes, frames: list[Frame]) -> None:
        """Keep a checkpoint as it came, until `forget`."""
        self._checkpoints[digest] = frames

    def forget(self, digest: bytes) -> None:
        """Forget a checkpoint; a function that is equal to it stays."""
        self._checkpoints.pop(digest, None)

    def inputs(self, first: int, stop: int) -> list[Frame]:
        """Return the frames of the inputs of jobs ``first`` to ``stop - 1``."""
        parcels = [self._inputs[job] for job in range(first, stop)]
        return payload.encode(payload.pack(parcels), self._compression)

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
        function = self._functions[digest]
        self._keeper.put(job, digest, function, surroundings, inputs)

    def drop(self, first: int, stop: int) -> None:
        """Forget the inputs of jobs that are final."""
        for job in range(first, stop):
            self._inputs.pop(job, None)
