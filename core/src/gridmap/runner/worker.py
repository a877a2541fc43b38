"""The worker: a process that only computes.

It reads jobs from a socket, calls the function, and puts each result where the runner
finds it before it begins the next job, so that a crash loses nothing that was finished.
Whatever the function raises is caught; whatever else it does to the process, the runner
sees.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gridmap import payload
from gridmap.errors import RemoteError, UnpicklableError, qualified_names
from gridmap.payload import refill
from gridmap.protocol.messages import Failure, Kind
from gridmap.runner import bulletin, examination, records, saving, setup, shortage
from gridmap.runner.outbox import HALTED, Outbox
from gridmap.runner.output import mark
from gridmap.runner.records import Record, RecordType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LINE: Final = 256
"""Characters of an exception's message that travel outside of its pickle."""

_GATHER_S: Final = 0.01
"""How long results of quick jobs gather before they are sent."""

_setups: Final = msgspec.msgpack.Decoder(setup.Setup)


def run(
    sock: socket.socket, outbox: Outbox, output_fd: int | None, stack_fd: int
) -> int:
    """Serve jobs until the runner is gone.

    Args:
        sock: Where jobs come from and results go to.
        outbox: Where to say what is being done, and to leave results.
        output_fd: Where standard output and error go; None leaves them.
        stack_fd: Where to answer where it is.

    Returns:
        The exit status of the process.
    """
    setup.detach(output_fd)
    examination.listen(stack_fd)
    bulletin.install(outbox.bulletin)
    worker = Worker(sock, outbox, output_fd)
    while (record := worker.receive()) is not None:
        worker.handle(record)
        del record  # its memory may be filled with the next one
        worker.rest()
    return 0


class Ran(NamedTuple):
    """How a job ended.

    Attributes:
        result: Its value, or the exception.
        failure: What is told of the exception beside it; None for a value.
    """

    result: bytes | payload.Parcel
    failure: Failure | None = None


class Worker:
    """What the worker knows: its functions."""

    def __init__(
        self, sock: socket.socket, outbox: Outbox, output_fd: int | None = None
    ) -> None:
        self._sock = sock
        self._outbox = outbox
        self._output_fd = output_fd
        self._inlet = records.Inlet(sock)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._sent = 0.0
        self._grant = 0
        self._parcels: dict[bytes, payload.Parcel] = {}
        self._functions: dict[bytes, Callable[..., object]] = {}
        self._once: set[bytes] = set()
        self._savers: set[bytes] = set()
        self._saver = saving.Saver(sock, outbox)
        self._forked = False
        os.register_at_fork(after_in_child=self._become_a_copy)

    def _become_a_copy(self) -> None:
        """This is a process that a function forked: it has nothing to tell."""
        self._forked = True
        if signal.getsignal(signal.SIGTERM) is setup.hear_nothing:
            signal.signal(
                signal.SIGTERM, signal.SIG_DFL
            )  # how pools end their processes

    def receive(self) -> Record | None:
        """Wait for the next record; None if the runner is gone."""
        return self._inlet.receive()

    def handle(self, record: Record) -> None:
        """Do what one record asks for."""
        if record.type is RecordType.JOBS:
            self._run_jobs(record)
        elif record.type is RecordType.CONTENT:
            self._learn(record)
        elif record.type is RecordType.DISCARD:
            self._forget(bytes(record.frames[0]))
        elif record.type is RecordType.SETUP:
            self._set_up(_setups.decode(record.frames[0]))
        elif record.type is RecordType.MARK:
            self._flush(time.monotonic())
            records.send(self._sock, Record(RecordType.CLEARED))

    def rest(self) -> None:
        """See that nothing waits that is done, if there is nothing more to do."""
        if self._inlet.waiting or self._poll.poll(0):
            return
        self._flush(time.monotonic())
        if refill.kept() and not self._poll.poll(refill.KEPT_S * 1000):
            refill.give_back()

    def _set_up(self, wanted: setup.Setup) -> None:
        setup.set_up(wanted)
        refill.begin(self, most_bytes=wanted.keeps)
        records.send(self._sock, Record(RecordType.READY))

    def _learn(self, record: Record) -> None:
        """Take in a function; what is known for good stays so."""
        head, *buffers = record.frames[1:]
        digest = bytes(record.frames[0])
        if record.kind != records.ONCE:
            self._once.discard(digest)
        elif digest not in self._parcels:
            self._once.add(digest)
        self._savers.discard(digest)  # whose parcel was detached, and this one is not
        self._parcels[digest] = payload.Parcel(bytes(head), tuple(buffers))

    def _forget(self, digest: bytes) -> None:
        """Forget a function: it was for these jobs alone, or is not needed any more."""
        self._once.discard(digest)
        self._savers.discard(digest)
        self._parcels.pop(digest, None)
        self._functions.pop(digest, None)

    def _run_jobs(self, record: Record) -> None:
        digest, *frames = record.frames
        digest = bytes(digest)
        begin, put, clock = self._outbox.begin, self._outbox.put, time.monotonic
        now, function = clock(), self._functions.get(digest)
        refill.tidy(now)
        if record.grant != self._grant:
            self._flush(now)
            self._grant = record.grant
        for job, parcel in enumerate(payload.Batch.read(frames).pieces(), record.job):
            if (flags := begin(job, now)) and not self._heed(flags, job):
                break
            ran = self._run(function, digest, parcel, job)
            if self._forked:  # the function came back in a child of its own as well
                os._exit(0)
            started, now = now, clock()
            # What nearly every job comes to, without another call.
            if type(ran) is not bytes or not put(job, ran, now - started):
                self._hand_over(job, ran, now - started)
            if now - self._sent > _GATHER_S:
                self._flush(now)
        if digest in self._once:
            self._forget(digest)
        if self._outbox.end():
            _flush_output()

    def _heed(self, flags: int, job: int) -> bool:
        """Do what the runner wishes; tell whether the job may begin."""
        if flags & HALTED:
            return False
        self._mark(job)
        return True

    def _mark(self, job: int) -> None:
        """Somebody watches: say in the output whose it is from here on."""
        _flush_output()
        if self._output_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._output_fd, mark(job))

    def _hand_over(self, job: int, ran: bytes | Ran, seconds: float) -> None:
        """Gather a small result, send off any other at once."""
        if isinstance(ran, bytes):
            ran = Ran(ran)
        small = _small(ran.result)
        if small is not None:
            if self._outbox.put(job, small, seconds, ran.failure):
                return
            self._flush(time.monotonic())
            if self._outbox.put(job, small, seconds, ran.failure):
                return
        self._flush(time.monotonic())
        failures = () if ran.failure is None else (ran.failure,)
        self._say(job, 1, payload.pack([ran.result]), failures, seconds)

    def _flush(self, now: float) -> None:
        """Send off what was gathered."""
        self._sent = now
        gathered = self._outbox.gathered()
        if gathered is None:
            return
        sizes, failures = gathered.sizes, gathered.failures
        frames = payload.join(sizes, gathered.joined)
        self._say(gathered.first, len(sizes), frames, failures, gathered.seconds)
        self._outbox.clear()

    def _say(
        self,
        first: int,
        count: int,
        frames: Sequence[payload.Frame],
        failures: tuple[Failure, ...],
        seconds: float,
    ) -> None:
        """Send off results, behind what was printed.

        Who has the last result may end this process, and what it has not let go of.
        """
        _flush_output()
        kind = 0
        if failures:
            kind, frames = records.FAILED, (msgspec.msgpack.encode(failures), *frames)
        records.send(
            self._sock,
            Record(RecordType.RESULT, tuple(frames), first, count, kind, seconds),
        )

    def _run(
        self,
        function: Callable[..., object] | None,
        digest: bytes,
        parcel: payload.Frame | payload.Parcel,
        job: int,
    ) -> bytes | Ran:
        """Run one job.

        Args:
            function: The function, if it was loaded before this batch.
            digest: Its content address.
            parcel: Its arguments.
            job: The job.

        Returns:
            The stream of a value that is small plain data; else how it ended.
        """
        try:
            if function is None:
                function = self._functions.get(digest) or self._load(digest)
            call: Any = payload.load(parcel)
            args, kwargs = call
            if digest in self._savers:
                value = self._saver.call(function, args, kwargs, job)
            else:
                value = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            return _failed(error)
        try:
            return payload.dump_plain(value) or Ran(
                payload.dump(value, what=f"the result of job {job}")
            )
        except UnpicklableError as error:
            parcel = payload.dump_exception(error, "")
            failure = Failure(offset=0, kind=Kind.UNPICKLABLE, text=_line(error))
            return Ran(parcel, failure)
        except BaseException as error:  # noqa: BLE001 - a __reduce__ may raise anything
            return _failed(error)

    def _load(self, digest: bytes) -> Callable[..., object]:
        try:
            function: Any = payload.load(self._parcels[digest])
        except ImportError as error:
            error.add_note(
                f"gridmap: node {socket.gethostname()} could not load the function. "
                "Install what is missing there, or keep its module in a directory that "
                f"the node sees too. It looked in: {', '.join(sys.path[:4])}, …"
            )
            raise
        loaded: Callable[..., object] = function
        if saving.can_save(function):
            # It has a state of its own, so each job gets a fresh one. What it was made
            # from may be part of it by now, and is copied before it changes.
            parcel = self._parcels[digest]
            if digest not in self._savers:
                self._parcels[digest] = parcel.detach()
                self._savers.add(digest)
        else:
            self._functions[digest] = loaded
        return loaded


def _flush_output() -> None:
    """Let go of what was printed without an end of line."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # it may be anything that a job put there
            stream.flush()


def _small(result: bytes | payload.Parcel) -> bytes | None:
    """Return a result as one short stream, None if it is not."""
    if isinstance(result, bytes):
        return result
    head = result.head
    return head if isinstance(head, bytes) and not result.buffers else None


def _failed(error: BaseException) -> Ran:
    kind, status, limited = Kind.RAISED, None, ""
    if isinstance(error, SystemExit):
        kind, status = Kind.EXITED, _exit_status(error.code)
    with contextlib.suppress(Exception):  # what is refused memory may be refused this
        if limited := shortage.explain(error):
            error.add_note(f"gridmap: {limited}")
    parcel = _dump_error(error)
    text = _line(error) or limited  # a bare MemoryError says nothing
    classes = qualified_names(type(error))
    failure = Failure(offset=0, kind=kind, status=status, classes=classes, text=text)
    return Ran(parcel, failure)


def _line(error: BaseException) -> str:
    """Return what an exception says as one line without control characters."""
    try:
        text = " ".join(str(error).split())
    except BaseException as fault:  # noqa: BLE001 - users' __str__ may raise anything
        text = f"(no message: str() raised {type(fault).__name__})"
    return "".join(c for c in text[:_LINE] if c.isprintable())


def _dump_error(error: BaseException) -> payload.Parcel:
    try:
        return payload.dump_exception(error, payload.format_traceback(error))
    except BaseException as why:  # noqa: BLE001 - a __reduce__ may raise anything
        reason = f"describing it raised {type(why).__name__}"
        stand_in = RemoteError(type(error).__qualname__, "", "", reason)
        return payload.dump_exception(stand_in, "")


def _exit_status(code: object) -> int:
    """Return the status that ``sys.exit(code)`` gives a process."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def main(arguments: list[str]) -> int:
    """Be a worker that was started as a program, after the first one died."""
    sock_fd, outbox_fd, output_fd, stack_fd = map(int, arguments)
    sock = socket.socket(fileno=sock_fd)
    return run(sock, Outbox(outbox_fd), output_fd, stack_fd)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
