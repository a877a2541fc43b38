"""The shell round the runner's rules: one loop over monitor, worker and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import connection, payload, plugins
from gridmap.errors import GridMapError, RemoteProtocolError, UnpicklableError
from gridmap.protocol import messages as m
from gridmap.runner import cgroup, saving, strays
from gridmap.runner.actions import (
    Action,
    DropGrant,
    Examine,
    Feed,
    Glance,
    KillWorker,
    Leave,
    Say,
    SetUp,
    StartWorker,
    Vitals,
    Withdraw,
    WorkerEnd,
)
from gridmap.runner.examination import Examiner
from gridmap.runner.interruption import AskCheckpoint
from gridmap.runner.link import Link
from gridmap.runner.machine import Phase, RunnerMachine
from gridmap.runner.offspring import Ended, WorkerProcess, spawn_worker
from gridmap.runner.outbox import LONG_S, Collector, Gathered
from gridmap.runner.output import Output
from gridmap.runner.reach import Reach
from gridmap.runner.records import Record, RecordType
from gridmap.runner.setup import Setup
from gridmap.runner.supplies import Supplies
from gridmap.runner.talk import Heard, Talk
from gridmap.runner.threads import bounded
from gridmap.runner.worker import Raised
from gridmap.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap.backend import Identity

_SAMPLE_S: Final = 2.0
"""Seconds between two looks at memory, for its peak."""

_TICK_S: Final = 0.5

_VISIBLE_S: Final = 0.001
"""Far longer than a processor keeps to itself what it has written."""

_DRIVER_S: Final = 0.5
"""Seconds between two looks whether the user's process lives, on the same machine."""

_TOO_LARGE_ADVICE: Final = (
    "Raise the setting, or write the result to a file and return its path."
)
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)


class RunnerService:
    """One runner, from its command line to its exit status."""

    def __init__(self, home: str, job_path: str, worker: WorkerProcess) -> None:
        self._home = home
        self._job_path = job_path
        self._worker = worker
        self._link = Link(worker.sock)
        self._collector = Collector(worker.outbox)
        self._output = Output()
        self._supplies = Supplies()
        self._status = 0
        self._dead = False
        self._signals: list[int] = []
        self._oom_kills = cgroup.oom_kills()
        self._sampled = 0.0
        self._asked_for = 0.0
        self._orphan = False
        self._measuring: int | None = None
        self._examiner = Examiner()
        self._acts: dict[type[Action], Callable[[Any], object]] = {
            Say: lambda say: self._talk.say(say),  # noqa: PLW0108 - it is not there yet
            Feed: lambda feed: self._hand(self._supplies.feed(feed)),
            DropGrant: lambda drop: self._supplies.drop(drop.grant),
            SetUp: lambda set_up: self._set_up(set_up.welcome),
            KillWorker: lambda _: self._worker.kill(),
            StartWorker: lambda _: self._start_worker(),
            Examine: self._examine,
            Withdraw: self._withdraw,
            AskCheckpoint: self._ask_for_checkpoint,
            Leave: self._leave,
        }

    def run(self) -> int:
        """Be a runner until there is no more work; return the exit status."""
        try:
            self._connect()
        except GridMapError as error:
            self._log("cannot reach the monitor: %s" % error)  # noqa: UP031 - one line
            self._worker.kill()
            return 3
        wake = self._catch_signals()
        strays.adopt()
        try:
            self._greet()
            self._begin_measuring()
            while self._machine.phase is not Phase.GONE:
                self._turn(wake)
        finally:
            self._worker.kill()
            self._talk.close()
            strays.end(self._worker.pid)
            self._socket.close(2.0)
            self._park()
        return self._status

    def _begin_measuring(self) -> None:
        """Load what measures, now that the monitor has something to answer."""
        from gridmap.runner.vitals import Meter  # noqa: PLC0415 - see above

        self._meter = Meter(self._worker.pid)

    def _park(self) -> None:
        """Leave to the next driver what this one did not take."""
        kept = self._machine.unacknowledged.kept()
        if not kept or not self._reach.file.resumable:
            return
        from gridmap.journal import parking  # noqa: PLC0415 - few runs can be resumed

        try:
            path = parking.park(self._reach.path.parent, self._nonce, kept)
        except OSError as error:
            self._log(f"results are lost, they cannot be left behind: {error}")
        else:
            self._log(f"{len(kept)} messages nobody took are left in {path}")

    def _connect(self) -> None:
        path = os.environ.get(connection.VARIABLE)
        if not path:
            msg = f"the environment variable {connection.VARIABLE} is not set"
            raise GridMapError(msg)
        self._nonce = nonce = os.urandom(8).hex()
        self._reach = Reach(Path(path), nonce.encode())
        backend = plugins.load_backend(self._reach.file.backend_factory)
        identity = plugins.identify(backend, os.environ)
        self._log(
            f"runner {identity.handle} on {socket.gethostname()}, process {os.getpid()}, "
            f"home {self._home}"
        )
        self._socket = self._reach.connect()
        self._talk = Talk(self._socket, nonce, self._rouse, self._log)
        self._warnings = identity.warnings
        self._cores = identity.slots
        self._machine = RunnerMachine(_hello(identity, nonce), time.monotonic())

    def _log(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the runner
            sys.stderr.write(f"gridmap: {text}\n")
            sys.stderr.flush()

    def _catch_signals(self) -> int:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._wake = (reader, writer)  # kept: closing them would end the wake-ups
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in {*_ENDING, *self._warnings}:
            signal.signal(number, lambda number, _: self._signals.append(number))
        return reader.fileno()

    # The loop -----------------------------------------------------------------------

    def _rouse(self) -> None:
        """Have the loop look at what was fetched or brought; from any thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake[1].send(b"!")

    def _turn(self, wake: int) -> None:
        fds = {wake} if self._dead else {wake, self._worker.sock.fileno()}
        now = time.monotonic()
        pause = min(_TICK_S, self._machine.pause(now))
        if rest := self._output.pause(now):
            pause = min(pause, rest)
        else:
            fds.add(self._worker.output)
        timeout = 0.002 if self._link.waiting else pause
        ready = self._socket.wait(timeout, fds)
        if ready.connection:
            self._connection_changed()
        if ready.messages:
            for frames in self._socket.receive():
                self._take_in(self._talk.hear(frames))
        if self._link.waiting:
            self._link.flush(0.02)
        if ready.fds - {wake}:
            self._read_worker()
        if wake in ready.fds:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            self._look_after_children()
            for heard in self._talk.awaited():
                self._take_in(heard)
            self._take_in(None)
        self._mind_signals()
        self._talk.tick()
        self._mind_the_time()
        if ready.messages:
            self._read_worker()  # a quick job is done by now: no need to sleep first

    def _look_after_children(self) -> None:
        """See to those that ended, which a signal and so a wake tells of."""
        self._mind_the_worker()
        strays.reap(self._worker.pid)

    def _connection_changed(self) -> None:
        if self._socket.connected:
            self._greet()
        else:
            self._talk.forget()
            self._do(self._machine.disconnected())

    def _greet(self) -> None:
        """Say hello, for the first time or again, and all that was not acknowledged."""
        machine = self._machine
        machine.hello = self._talk.introduce(machine.hello, self._reach.file)
        machine.coming = self._talk.coming
        self._do(machine.connected(time.monotonic()))

    def _take_in(self, heard: Heard | None) -> None:
        """Act on what was heard; greet anew where it was not heard well."""
        if heard is not None:
            self._heard(*heard)
        if self._talk.misheard:
            self._greet()

    def _heard(self, message: m.FromMonitor, content: list[payload.Frame]) -> None:
        try:
            if isinstance(message, m.Content):
                self._hand(self._supplies.learn(message, content))
            elif isinstance(message, m.Discard):
                self._hand(self._supplies.discard(message.digest))
            elif isinstance(message, m.Work):
                self._supplies.take(message, content)
        except RemoteProtocolError as error:
            self._log(f"the monitor is not understood: {error}")
            return
        now = time.monotonic()
        if isinstance(message, m.Stop):
            job, seconds = self._worker.outbox.doing()
            seen = Glance(vitals=self._measured(), job=job, seconds=seconds)
            self._do(self._machine.last_beat(seen, now))
        self._do(self._machine.heard(message, now))
        if isinstance(message, m.Watch):
            self._mind_watchers()

    def _mind_watchers(self) -> None:
        """Have the worker say whose output is whose, where somebody watches it."""
        outbox, output = self._worker.outbox, self._machine.live.output
        outbox.watch(output)
        if output:
            self._output.watch(outbox.doing()[0])

    def _read_worker(self) -> None:
        self._output.drain(self._worker.output, self._worker.room, time.monotonic())
        for job, printed in self._output.pieces():
            self._machine.live.printed(job, printed)
        for record in self._link.receive():
            now = time.monotonic()
            if record.type is RecordType.READY:
                self._do(self._machine.worker_ready())
            elif record.type is RecordType.RESULT:
                self._result(record, now)
            elif record.type is RecordType.CHECKPOINT:
                self._checkpoint(record, now)
            elif record.type is RecordType.CLEARED:
                self._worker.outbox.halt(False)
                self._do(self._machine.cleared(now))

    def _result(self, record: Record, now: float) -> None:
        kind, frames = record.kind, list(record.frames)
        raised = Raised((), "")
        if kind:
            raised = msgspec.msgpack.decode(frames.pop(0), type=Raised)
        first, count, seconds = record.job, record.count, record.seconds
        known, took = self._collector.sent(first, count)
        if known >= count:
            return
        if known:
            frames = payload.take(frames, known, count)
            first, count, seconds = first + known, count - known, seconds - took
        sizes = [len(frame) for frame in frames]
        if reason := _too_large(
            max(sizes), sum(sizes), self._reach.file.max_frame_bytes
        ):
            error = UnpicklableError(
                f"the result of job {first}", "", reason, _TOO_LARGE_ADVICE
            )
            kind, raised = m.Kind.UNPICKLABLE, Raised((), str(error))
            frames = payload.pack([payload.dump_exception(error, "")])
        status = record.status if record.status >= 0 else None
        failures: tuple[m.Failure, ...] = ()
        if kind:
            classes, text = raised
            failure = m.Failure(
                offset=0, kind=m.Kind(kind), status=status, classes=classes, text=text
            )
            failures = (failure,)
        self._do(
            self._machine.results(
                first,
                count,
                failures,
                max(seconds, 0.0),
                frames,
                now,
                self._peak(first + count - 1, seconds / count),
            )
        )

    def _peak(self, job: int, seconds: float) -> int:
        """Return the most memory a job held; 0 if it was too quick to be looked at."""
        if seconds < LONG_S or job != self._measuring:
            return 0
        return max(self._meter.peak, self._meter.high_water())

    def _checkpoint(self, record: Record, now: float) -> None:
        """Take in what a job is to go on with, or why it has nothing to go on with."""
        sizes = [len(frame) for frame in record.frames]
        if record.kind == saving.FAILED:
            why = bytes(record.frames[0]).decode("utf-8", errors="replace")
        else:
            why = _too_large(max(sizes), sum(sizes), self._reach.file.max_frame_bytes)
        if why:
            self._log(f"job {record.job} has no checkpoint: {why}")
            self._do(self._machine.not_checkpointed(record.job, why, now))
            return
        self._log(f"job {record.job} has a checkpoint of {sum(sizes):,} bytes")
        digest = payload.digest(record.frames)
        actions = self._machine.checkpointed(
            record.job, digest, record.seconds, record.frames, now
        )
        self._do(actions)

    def _collected(self, gathered: Gathered | None, now: float) -> None:
        if gathered is not None:
            frames = payload.join(gathered.sizes, gathered.joined)
            first, count = gathered.first, len(gathered.sizes)
            self._do(
                self._machine.results(first, count, (), gathered.seconds, frames, now)
            )

    def _mind_the_worker(self) -> None:
        if self._dead:
            return
        ended = self._worker.ended()
        if ended is None:
            return
        self._dead = True
        now = time.monotonic()
        self._read_worker()
        self._collected(self._collector.left(), now)
        self._do(self._machine.worker_ended(self._end(ended), now))

    def _end(self, ended: Ended) -> WorkerEnd:
        job, seconds = self._worker.outbox.doing()
        kills = cgroup.oom_kills()
        killed = None not in (kills, self._oom_kills) and kills != self._oom_kills
        self._oom_kills = kills
        return WorkerEnd(
            job=job,
            seconds=seconds,
            status=ended.status,
            signal=ended.signal,
            peak=max(ended.peak, self._meter.peak),
            out_of_memory=killed and ended.signal == signal.SIGKILL,
            tail=self._output.tail(),
        )

    def _mind_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            name, now = signal.Signals(number).name, time.monotonic()
            if (notice := self._warnings.get(number)) is not None:
                self._log(f"warned by {name}: {notice.text}")
                job = self._worker.outbox.doing()[0]
                job = job if self._worker.outbox.can_save() else None
                self._do(self._machine.warned(notice, number, job, now))
            else:
                self._log(f"told to end by {name}")
                text = f"it was told to end by {name}"
                self._do(self._machine.depart("signal", text, now, signal=number))

    def _mind_the_peak(self) -> None:
        """Begin a new peak of memory with each job that takes a moment."""
        job = self._worker.outbox.doing()[0]
        if job is not None and job != self._measuring:
            self._measuring = job
            self._meter.reset_peak()
            self._worker.forget_peak()

    def _mind_the_time(self) -> None:
        now = time.monotonic()
        vitals = Vitals()
        self._mind_the_peak()
        if self._machine.beat_due(now) or now - self._sampled > _SAMPLE_S:
            self._sampled = now
            vitals = self._measured()
        beats = self._machine.beat_due(now)
        tail = self._output.fresh() if beats else ""
        if not self._dead:
            self._collected(self._collector.early(), now)
        outbox = self._worker.outbox
        job, seconds = outbox.doing()
        seen = Glance(
            vitals=vitals,
            job=job,
            seconds=seconds,
            can_save=outbox.can_save(),
            progress=self._said(job) if self._machine.shows_progress(now) else None,
            tail=tail,
        )
        self._machine.coming = self._talk.coming
        self._machine.departure.moved = self._talk.moved
        self._do(self._machine.tick(seen, now))
        if (answer := self._examiner.answer(self._worker, now)) is not None:
            self._do(self._machine.examined(*answer))
        if now - self._asked_for > _DRIVER_S:
            self._asked_for = now
            self._look_after_children()  # should their signals not get through
            self._orphan = self._reach.deserted()
            presence = self._machine.presence
            if self._reach.seek(presence.silence(now), presence.interval):
                self._greet()
        if self._orphan or self._machine.presence.orphaned(now):
            self._mourn(now)

    def _said(self, job: int | None) -> m.Progress | None:
        """Return how far the job says it is."""
        said = None if job is None else self._worker.outbox.bulletin.read(job)
        if said is None:
            return None
        return m.Progress(done=said.done, total=said.total, text=said.text)

    def _mourn(self, now: float) -> None:
        """The monitor is gone: end, leaving what is finished to the next if need be."""
        text = "the monitor is gone: nobody wants the results any more"
        if self._reach.file.resumable:
            text = "the run has had no driver for too long"
            self._do(self._machine.depart("orphaned", text, now))
            return
        self._log(text)
        self._machine.phase = Phase.GONE
        self._status = 1

    def _measured(self) -> Vitals:
        """Return the vitals, without what the examination itself has written."""
        vitals = self._meter.measure(network=self._machine.beat_due(time.monotonic()))
        if vitals.written is None:
            return vitals
        jobs_own = vitals.written - self._examiner.written(self._worker)
        return msgspec.structs.replace(vitals, written=max(0, jobs_own))

    # Actions ------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._acts[type(action)](action)

    def _ask_for_checkpoint(self, ask: AskCheckpoint) -> None:
        self._worker.outbox.ask(ask.job)
        self._worker.ask(saving.ASK)

    def _withdraw(self, _: Withdraw) -> None:
        """Take back what the worker has not begun.

        It says which job it begins and then looks whether it may; here it is said that
        it may not, and then looked which one it has begun. Between the two enough time
        passes for each side's memory to have become visible to the other, so that what
        is behind that job will not be begun. Whether the job itself was, the worker
        tells when it reads the mark.
        """
        outbox = self._worker.outbox
        outbox.halt(True)
        self._link.send(Record(RecordType.MARK))
        time.sleep(_VISIBLE_S)
        self._do(self._machine.withdrawn(outbox.doing()[0], time.monotonic()))

    def _examine(self, examine: Examine) -> None:
        self._examiner.ask(self._worker, examine.job, time.monotonic())

    def _leave(self, leave: Leave) -> None:
        self._status = leave.status

    def _hand(self, records: Iterable[Record]) -> None:
        """Hand something to the worker."""
        for record in records:
            self._link.send(record)

    def _set_up(self, welcome: m.Welcome) -> None:
        path = () if self._job_path in ("", "-") else (self._job_path,)
        setup = Setup(
            environment=bounded(welcome.environment, os.environ, self._cores),
            directory=welcome.directory,
            path=(*path, *welcome.path),
            warnings=tuple(self._warnings),
        )
        self._link.send(Record(RecordType.SETUP, (msgspec.msgpack.encode(setup),)))
        self._hand(self._supplies.contents())

    def _start_worker(self) -> None:
        self._examiner.left(self._worker)
        self._worker.close()
        strays.end(self._worker.pid)
        self._worker = spawn_worker()
        self._link = Link(self._worker.sock)
        self._collector = Collector(self._worker.outbox)
        self._measuring = None
        self._meter.reset_peak()
        self._meter.follow(self._worker.pid)
        self._dead = False
        self._mind_watchers()


def _hello(identity: Identity, nonce: str) -> m.Hello:
    handle = identity.handle
    remaining = None
    if identity.deadline is not None:
        remaining = identity.deadline - time.time()  # noqa: TID251 - the shell's clock
    return m.Hello(
        version=m.VERSION,
        nonce=nonce,
        job=handle.job if handle else None,
        task=handle.task if handle else None,
        node=socket.gethostname(),
        pid=os.getpid(),
        python=sys.version_info[:3],
        gridmap=__version__,
        remaining=remaining,
        slots=identity.slots,
    )


def _too_large(longest: int, together: int, limit: int) -> str:
    """Return why the monitor would not take a result, empty if it does."""
    for size, most, what in (
        (longest, limit, "in one piece"),
        (together, connection.MESSAGE_PER_FRAME * limit, "in all its pieces"),
    ):
        if size > most:
            return (
                f"it has {size:,} bytes {what}, more than the {most:,} that the "
                "setting max_message_bytes allows"
            )
    return ""
