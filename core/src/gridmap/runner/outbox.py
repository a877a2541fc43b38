"""Memory that runner and worker share: what the worker is doing, and what it has done.

The worker writes it, the runner may read it at any time, and it is still there when
the worker is dead. So the runner knows which job a crash belongs to, and has every
result that was finished, without a system call for each.

Results of quick jobs gather here, packed as they will travel, until the worker sends
them off together. One that is large is sent at once instead.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.kernel import shared_file
from gridmap.protocol.messages import Failure
from gridmap.runner.bulletin import Bulletin

if TYPE_CHECKING:
    from collections.abc import Sequence

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Failure)
_LENGTH: Final = struct.Struct("<I")
_DOING: Final = struct.Struct("<qd")
_SAVES_AT: Final = 32
_ASKED: Final = struct.Struct("<q")
_ASKED_AT: Final = 40
_FLAGS_AT: Final = 48
_HEAD_AT: Final = 64
"""How many results have gathered, of which job is the first, and how many bytes of
notes there are on those that are exceptions."""
_SECONDS_AT: Final = 88
_MOST: Final = 4096
_SIZES_AT: Final = 4096
_DATA_AT: Final = _SIZES_AT + 4 * _MOST
_DATA: Final = 256 * 1024
_NOTES_AT: Final = _DATA_AT + _DATA
_NOTES: Final = 64 * 1024
_SIZE: Final = _NOTES_AT + _NOTES

LONG_S: Final = 0.1
"""How long a job runs before what gathered before it is taken from behind it."""

LARGEST: Final = 16 * 1024
"""Bytes of a result that still gathers here."""

WATCHED: Final = 1
"""Flag of the runner's: the worker is to mark in its output where each job begins."""

HALTED: Final = 2
"""Flag of the runner's: what was handed over and is not begun is withdrawn."""


class Gathered(msgspec.Struct, frozen=True):
    """Results of consecutive jobs.

    Attributes:
        first: The first job.
        sizes: The size of each one's stream.
        joined: The streams, one behind the other.
        seconds: How long the jobs took together.
        failures: Those whose stream is an exception.
    """

    first: int
    sizes: tuple[int, ...]
    joined: bytes
    seconds: float
    failures: tuple[Failure, ...] = ()


class Outbox:
    """The shared memory, through a file descriptor that children can inherit.

    Attributes:
        fd: The descriptor.
        bulletin: Where jobs say how far they are.
    """

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            fd = shared_file("gridmap-outbox", _SIZE)
        self.fd = fd
        self._page = mmap.mmap(fd, _SIZE)
        self.bulletin = Bulletin(self._page)
        # Numbers are written by these twice as fast as by `struct`.
        with memoryview(self._page) as page:
            self._head = page[_HEAD_AT:_SECONDS_AT].cast("q")
            self._seconds = page[_SECONDS_AT : _SECONDS_AT + 8].cast("d")
            self._sizes = page[_SIZES_AT:_DATA_AT].cast("I")
        self._first = -1
        self._count = 0
        self._used = 0
        self._noted = 0
        self._took = 0.0

    # The worker's side --------------------------------------------------------------

    def begin(self, job: int, now: float) -> int:
        """Say which job starts, by `time.monotonic`; return the runner's flags.

        They are read last: see `_withdraw` in the runner's service.
        """
        self.bulletin.job = job
        _DOING.pack_into(self._page, 0, job + 1, now)
        return self._page[_FLAGS_AT]

    def end(self) -> int:
        """Say that no job is running; return whether the last was watched."""
        _DOING.pack_into(self._page, 0, 0, 0.0)
        return self._page[_FLAGS_AT] & WATCHED

    def saves(self, yes: bool) -> None:
        """Say whether the function being called can be asked for a checkpoint."""
        self._page[_SAVES_AT] = yes

    def put(
        self, job: int, result: bytes, seconds: float, failure: Failure | None = None
    ) -> bool:
        """Keep a result; False if it does not fit, or does not follow the last one.

        Args:
            job: The job.
            result: The stream of its value, or of its exception.
            seconds: How long it took.
            failure: What is told of the exception beside it; None for a value.
        """
        size, count, used = len(result), self._count, self._used
        if size > LARGEST or count == _MOST or used + size > _DATA:
            return False
        if count == 0:
            self._first = self._head[1] = job
        elif job != self._first + count:
            return False
        if failure is not None and not self._note(failure, count):
            return False
        at = _DATA_AT + used
        self._page[at : at + size] = result
        self._sizes[count] = size
        self._took = self._seconds[0] = self._took + seconds
        self._used = used + size
        # Written last: until then the result is not there.
        self._count = self._head[0] = count + 1
        return True

    def _note(self, failure: Failure, place: int) -> bool:
        """Keep what is told of an exception; False if it does not fit."""
        note = _encoder.encode(msgspec.structs.replace(failure, offset=place))
        begin, end = self._noted, self._noted + _LENGTH.size + len(note)
        if end > _NOTES:
            return False
        at = _NOTES_AT + begin
        self._page[at : _NOTES_AT + end] = _LENGTH.pack(len(note)) + note
        self._noted = self._head[2] = end
        return True

    def clear(self) -> None:
        """Forget what was gathered: it has been sent."""
        self._head[0] = self._head[2] = 0
        self._count, self._used, self._noted, self._took = 0, 0, 0, 0.0

    def asked_for(self, job: int) -> bool:
        """Return whether it was this job that the runner asked for a checkpoint of."""
        asked: int = _ASKED.unpack_from(self._page, _ASKED_AT)[0]
        return asked == job + 1

    # The runner's side --------------------------------------------------------------

    def ask(self, job: int) -> None:
        """Say of which job a checkpoint is wanted; the signal comes after it."""
        _ASKED.pack_into(self._page, _ASKED_AT, job + 1)

    def watch(self, yes: bool) -> None:
        """Say whether the worker is to mark in its output where each job begins."""
        self._flag(WATCHED, yes)

    def halt(self, yes: bool) -> None:
        """Say whether the worker is to begin nothing of what it was handed."""
        self._flag(HALTED, yes)

    def _flag(self, flag: int, yes: bool) -> None:
        flags = self._page[_FLAGS_AT]
        self._page[_FLAGS_AT] = flags | flag if yes else flags & ~flag

    # Either side --------------------------------------------------------------------

    def doing(self) -> tuple[int | None, float]:
        """Return the job being run (None: none) and for how many seconds."""
        job, since = _DOING.unpack_from(self._page, 0)
        if job == 0:
            return None, 0.0
        # A job may have left the worker's clock frozen, ahead of this one or no number.
        return job - 1, max(0.0, time.monotonic() - since)

    def can_save(self) -> bool:
        """Return whether the function being called can be asked for a checkpoint."""
        return self._page[_SAVES_AT] == 1

    def gathered(self) -> Gathered | None:
        """Return the results that were not sent yet; None if there are none."""
        count, first, noted = self._head
        if count == 0:
            return None
        seconds = self._seconds[0]
        sizes = tuple(self._sizes[:count])
        joined = self._page[_DATA_AT : _DATA_AT + sum(sizes)]
        failures = self._failures(count, noted) if noted else ()
        return Gathered(first, sizes, joined, seconds, failures)

    def _failures(self, count: int, noted: int) -> tuple[Failure, ...]:
        """Read the notes on results that are there; a note is written before its result."""
        failures, at, end = [], _NOTES_AT, _NOTES_AT + noted
        while at < end:
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(self._page, at)[0]
            failures.append(_decoder.decode(self._page[start:at]))
        return tuple(failure for failure in failures if failure.offset < count)

    def close(self) -> None:
        """Let go of the memory."""
        for numbers in (self._head, self._seconds, self._sizes):
            numbers.release()
        self._page.close()
        os.close(self.fd)


def behind(failures: Sequence[Failure], known: int) -> tuple[Failure, ...]:
    """Return those behind so many jobs, as counted from there."""
    return tuple(
        msgspec.structs.replace(failure, offset=failure.offset - known)
        for failure in failures
        if failure.offset >= known
    )


class Collector:
    """The runner's hand in its worker's outbox: takes each result once.

    The worker sends what has gathered when a job ends. What gathered just before a
    job that takes an hour would wait for an hour, so it is taken from here meanwhile;
    the worker does not know that, and sends it once more.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # What was taken of batches whose record was not read yet, by first job. There
        # may be several: a worker sends one and gathers the next while a busy machine
        # keeps its runner from reading.
        self._taken: dict[int, tuple[int, float]] = {}
        self._sent = (-1, 0)

    def early(self) -> Gathered | None:
        """Return what waits behind a job that takes long; None if nothing does."""
        job, running = self._outbox.doing()
        if job is None or running < LONG_S:
            return None
        gathered = self._outbox.gathered()
        if gathered is None:
            return None
        # A job that ends just now is writing its result: then let it come by itself.
        if self._outbox.doing()[0] != job or self._outbox.gathered() != gathered:
            return None
        if self._sent == (gathered.first, len(gathered.sizes)):
            return None  # it came, and is about to be cleared
        return self._take(gathered)

    def left(self) -> Gathered | None:
        """Return what a dead worker left; None if that is nothing."""
        gathered = self._outbox.gathered()
        return None if gathered is None else self._take(gathered)

    def sent(self, first: int, count: int) -> tuple[int, float]:
        """Return how many of the results just sent were taken, and their seconds."""
        self._sent = (first, count)
        return self._taken.pop(first, (0, 0.0))

    def _take(self, gathered: Gathered) -> Gathered | None:
        known, seconds = self._taken.get(gathered.first, (0, 0.0))
        if known >= len(gathered.sizes):
            return None
        self._taken[gathered.first] = (len(gathered.sizes), gathered.seconds)
        return Gathered(
            gathered.first + known,
            gathered.sizes[known:],
            gathered.joined[sum(gathered.sizes[:known]) :],
            gathered.seconds - seconds,
            behind(gathered.failures, known),
        )
