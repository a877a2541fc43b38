"""The functions of a run as they will be sent: kept while jobs call them, and longer.

Whoever submits one job after another calls the same function again and again, so one
that no job needs stays for a while: the latest of them, and others within bounds.

What is forgotten may be the user's last hold on an object of his, and that may do
anything when it goes, hand in another job too: so it goes when the lock is free.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import payload
from gridmap.payload import held, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.journal import entries as e
    from gridmap.payload import Frame

IDLE_BYTES: Final = 64 << 20
"""What functions may hold together that no job needs, the latest aside."""

MOST_IDLE: Final = 1000


class _Function(msgspec.Struct):
    """One function.

    Attributes:
        frames: It, pickled.
        sketch: What it was compared by; None if it was not.
        encoded: As it is sent to who cannot open our memory; None before the first.
        known_as: The address of the object it was made from last.
        nbytes: Its size, bytes.
    """

    frames: list[Frame]
    sketch: bytes | None = None
    encoded: list[Frame] | None = None
    known_as: int = 0
    nbytes: int = 0

    def __post_init__(self) -> None:
        self.nbytes = sum(memoryview(frame).nbytes for frame in self.frames)


class Functions:
    """They have content addresses. Filled by the user's threads, read by one."""

    def __init__(
        self,
        compression: str,
        check: Callable[[payload.Parcel, str], None],
        journal: Callable[[e.Entry, Sequence[Frame]], None] | None = None,
        *,
        neighbours: bool = False,
    ) -> None:
        """Begin empty.

        Args:
            compression: The setting.
            check: Raises UnpicklableError for what is too large to be sent; gets what
                it is in words too.
            journal: Where new ones are written down; then all are kept. None: nowhere.
            neighbours: Whether all runners are on this host, so that large frames are
                best put where they can be passed on as soon as they come.
        """
        self._compression = compression
        self._check = check
        self._journal = journal
        self._neighbours = neighbours
        self._lock = threading.Lock()
        self._functions: dict[bytes, _Function] = {}
        self._objects: dict[int, tuple[object, bytes]] = {}
        self._alike: dict[bytes, list[bytes]] = {}
        self._sketched = 0
        self._uses: dict[bytes, int] = {}
        self._idle: dict[bytes, int] = {}  # sizes; what was needed last comes last
        self._idle_bytes = 0

    def add(self, function: Callable[..., Any]) -> bytes:
        """Take in a function and return its content address.

        One more needs it from now on: see `need`.

        Raises:
            UnpicklableError: If it cannot be sent; it names the part at fault.
        """
        with self._lock:
            known = self._objects.get(id(function))
            if known is not None and known[0] is function:
                self._use(known[1], 1)
                return known[1]
        what = payload.describe(function)
        parcel = payload.dump(function, what=what)
        self._check(parcel, what)
        frames = [parcel.head, *parcel.buffers]
        if self._neighbours:
            frames = [held.hold(frame, lasting=True) for frame in frames]
        frames = [_kept(frame) for frame in frames]
        with self._lock:
            digest = self._enter(frames)
            self._use(digest, 1)
            one = self._functions[digest]
            equal = self._objects.pop(one.known_as, None)
            one.known_as = id(function)
            self._objects[id(function)] = (function, digest)
        del equal  # not before the lock is free
        if self._journal is not None:
            from gridmap.journal.entries import Content  # noqa: PLC0415 - few runs need it
            from gridmap.payload.fingerprint import fingerprint  # noqa: PLC0415 - likewise

            content = Content(
                digest=digest, name=what, fingerprint=fingerprint(function)
            )
            self._journal(content, frames)
        return digest

    def keep(self, digest: bytes, frames: Sequence[Frame]) -> None:
        """Take in a function that is pickled already, for good."""
        with self._lock:
            self._functions[digest] = _Function(list(frames))
            self._use(digest, 1)

    def need(self, digest: bytes, change: int) -> None:
        """Learn that so many more need a function; if negative, so many less."""
        if change == 0:
            return
        with self._lock:
            if digest not in self._functions:  # the run is over
                return
            self._use(digest, change)
            if self._uses[digest] <= 0:
                del self._uses[digest]
                self._idle[digest] = size = self._functions[digest].nbytes
                self._idle_bytes += size

    def forget_idle(self) -> list[bytes]:
        """Forget what no job has needed for longest, as far as there is too much.

        Returns:
            The content addresses of what was forgotten.
        """
        if self._journal is not None or not self._crowded():
            return []
        forgotten = {}
        with self._lock:
            while self._crowded():
                digest = next(iter(self._idle))
                self._idle_bytes -= self._idle.pop(digest)
                forgotten[digest] = self._drop(digest)
        return list(forgotten)

    def shared(self, digest: bytes) -> list[Frame]:
        """Return the frames of a function for who can open our memory."""
        frames = self._functions[digest].frames
        return payload.encode(frames, self._compression, neighbour=True)

    def plain(self, digest: bytes) -> list[Frame]:
        """Return them for who cannot."""
        one = self._functions[digest]
        if one.encoded is None:
            one.encoded = payload.encode(one.frames, self._compression)
        return one.encoded

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether it is known."""
        return digest in self._functions

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            objects, self._objects = self._objects, {}
            for table in (self._functions, self._alike, self._uses, self._idle):
                table.clear()
            self._idle_bytes = 0
        objects.clear()

    def _crowded(self) -> bool:
        few = len(self._idle) <= 1
        return not few and (
            self._idle_bytes > IDLE_BYTES or len(self._idle) > MOST_IDLE
        )

    def _use(self, digest: bytes, times: int) -> None:
        self._uses[digest] = self._uses.get(digest, 0) + times
        self._idle_bytes -= self._idle.pop(digest, 0)

    def _enter(self, frames: list[Frame]) -> bytes:
        """Put frames into the table, unless they are there; return their address.

        Reading 50 MB for their digest takes longer than all else that is done with
        them. What is held, so that nobody changes it, is compared instead with what
        looks the same. A journal outlives the run, and needs the digest.
        """
        loose = [frame for frame in frames if held.sealed_in(frame) is None]
        light = sum(map(len, loose)) < memory.LEAST_BYTES
        if self._journal is not None or len(loose) == len(frames) or not light:
            digest = payload.digest(frames)
            self._functions.setdefault(digest, _Function(frames))
            return digest
        sketch = payload.sketch(frames)
        alike = self._alike.setdefault(sketch, [])
        for digest in alike:
            if payload.same(self._functions[digest].frames, frames):
                return digest
        self._sketched += 1
        digest = payload.digest([sketch, self._sketched.to_bytes(8, "little")])
        self._functions[digest] = _Function(frames, sketch)
        alike.append(digest)
        return digest

    def _drop(self, digest: bytes) -> object:
        """Forget a function; return what it was made from, to be let go."""
        one = self._functions.pop(digest)
        made_from = self._objects.pop(one.known_as, None)
        if one.sketch is not None:
            alike = self._alike[one.sketch]
            alike.remove(digest)
            if not alike:
                del self._alike[one.sketch]
        return made_from


def _kept(frame: Frame) -> Frame:
    """Return a frame that is ours: the user may change what he captured in a function."""
    lent = isinstance(frame, memoryview) and held.sealed_in(frame) is None
    return bytes(frame) if lent else frame
