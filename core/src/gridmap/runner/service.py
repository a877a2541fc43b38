"""The shell round the runner's rules: one loop over monitor, worker and signals."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap import connection, payload, plugins
from gridmap.errors import GridMapError, RemoteProtocolError
from gridmap.payload import refill
from gridmap.protocol import messages as m
from gridmap.runner import actions, greeting, returns, saving, strays
from gridmap.runner.gauge import Gauge
from gridmap.runner.interruption import AskCheckpoint
from gridmap.runner.link import Link
from gridmap.runner.machine import Phase, RunnerMachine
from gridmap.runner.offspring import WorkerProcess, spawn_worker
from gridmap.runner.outbox import Collector
from gridmap.runner.output import Output
from gridmap.runner.reach import Reach
from gridmap.runner.records import Record, RecordType
from gridmap.runner.setup import Setup
from gridmap.runner.supplies import Supplies
from gridmap.runner.talk import Heard, Talk
from gridmap.runner.threads import bounded
from gridmap.runner.wakeups import Wakeups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap.runner.outbox import Gathered
    from gridmap.runner.returns import Returns

_SAMPLE_S: Final = 2.0
"""Seconds between two looks at memory, for its peak."""

_TICK_S: Final = 0.5

_REST_S: Final = 0.005
"""Between two looks at what time has brought, where nothing is due: quick jobs come and
go faster."""

_DRIVER_S: Final = 0.5
"""Seconds between two looks whether the user's process lives, on the same machine."""


class RunnerService:
    """One runner, from its command line to its exit status."""

    def __init__(self, home: str, job_path: str, worker: WorkerProcess) -> None:
        self._home = home
        self._job_path = job_path
        self._worker = worker
        self._link = Link(worker.sock)
        self._collector = Collector(worker.outbox)
        self._gauge = Gauge(worker)
        self._output = Output()
        self._supplies = Supplies()
        self._status = 0
        self._dead = False
        self._sampled = time.monotonic()
        self._looked = 0.0
        self._pause = _TICK_S
        self._asked_for = 0.0
        self._orphan = False
        self._wakeups = Wakeups()
        self._acts: dict[type[actions.Action], Callable[[Any], object]] = {
            actions.Say: lambda say: self._talk.say(say),  # noqa: PLW0108 - it is not there yet
            actions.Feed: lambda feed: self._hand(self._supplies.feed(feed)),
            actions.DropGrant: lambda drop: self._supplies.drop(drop.grant),
            actions.SetUp: lambda set_up: self._set_up(set_up.welcome),
            actions.KillWorker: lambda _: self._worker.kill(),
            actions.StartWorker: lambda _: self._start_worker(),
            actions.Examine: self._examine,
            actions.Withdraw: self._withdraw,
            AskCheckpoint: self._ask_for_checkpoint,
            actions.Leave: self._leave,
        }

    def run(self) -> int:
        """Be a runner until there is no more work; return the exit status."""
        try:
            self._connect()
        except GridMapError as error:
            self._log("cannot reach the monitor: %s" % error)  # noqa: UP031 - one line
            self._worker.kill()
            return 3
        self._wakeups.catch(self._warnings)
        strays.adopt()
        try:
            self._greet()
            while self._machine.phase is not Phase.GONE:
                self._turn()
        finally:
            self._worker.kill()
            self._talk.close()
            strays.end(self._worker.pid)
            self._socket.close(2.0)
            kept = self._machine.unacknowledged.kept()
            self._log(self._reach.park(self._nonce, kept))
        return self._status

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
        self._talk = Talk(self._socket, nonce, self._wakeups.rouse, self._log)
        self._warnings = identity.warnings
        self._cores = identity.slots
        self._machine = RunnerMachine(greeting.hello(identity, nonce), time.monotonic())

    def _log(self, text: str) -> None:
        """Write a line for people, if there is anything to write."""
        if not text:
            return
        with contextlib.suppress(OSError):  # a full disk must not end the runner
            sys.stderr.write(f"gridmap: {text}\n")
            sys.stderr.flush()

    # The loop -----------------------------------------------------------------------

    def _turn(self) -> None:
        wake, pause = self._wakeups.fd, self._pause
        fds = {wake} if self._dead else {wake, self._worker.sock.fileno()}
        if rest := self._output.pause(time.monotonic()):
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
            self._wakeups.clear()
            self._look_after_children()
            for heard in self._talk.awaited():
                self._take_in(heard)
            self._take_in(None)
        self._mind_signals()
        self._talk.tick()
        self._pause = self._mind_the_time(time.monotonic())

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
            elif isinstance(message, m.Refuse):
                self._log(f"the monitor does not take this runner: {message.text}")
        except RemoteProtocolError as error:
            self._log(f"the monitor is not understood: {error}")
            return
        now = time.monotonic()
        if isinstance(message, m.Stop):
            vitals = self._gauge.measure(network=self._machine.beat_due(now))
            self._do(self._machine.last_beat(self._gauge.glance(vitals), now))
        self._do(self._machine.heard(message, now))
        if isinstance(message, m.Watch):
            self._mind_watchers()

    def _mind_watchers(self) -> None:
        """Have the worker say whose output is whose, where somebody watches it."""
        outbox, output = self._worker.outbox, self._machine.live.output
        outbox.watch(output)
        if output:
            self._output.watch(outbox.doing()[0])

    def _read_worker(self, *, rest: bool = False) -> None:
        self._output.drain(self._worker.output, self._worker.room, time.monotonic())
        for job, printed in self._output.pieces():
            self._machine.live.printed(job, printed)
        for record in self._link.receive(rest=rest):
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
        known, took_s = self._collector.sent(record.job, record.count)
        limit = self._reach.file.max_frame_bytes
        returned = returns.read(record, known, took_s, limit)
        if returned is not None:
            last = returned.first + returned.count - 1
            peak = self._gauge.peak(last, returned.seconds / returned.count)
            self._returned(returned, now, peak)

    def _returned(self, returned: Returns, now: float, peak: int = 0) -> None:
        self._do(
            self._machine.results(
                returned.first,
                returned.count,
                returned.failures,
                returned.seconds,
                returned.frames,
                now,
                peak,
            )
        )

    def _checkpoint(self, record: Record, now: float) -> None:
        """Take in what a job is to go on with, or why it has nothing to go on with."""
        why = returns.why_not_saved(record, self._reach.file.max_frame_bytes)
        if why:
            self._log(f"job {record.job} has no checkpoint: {why}")
            self._do(self._machine.not_checkpointed(record.job, why, now))
            return
        size = sum(map(len, record.frames))
        self._log(f"job {record.job} has a checkpoint of {size:,} bytes")
        digest = payload.digest(record.frames)
        took_s = returns.duration(record.seconds)
        self._do(
            self._machine.checkpointed(record.job, digest, took_s, record.frames, now)
        )

    def _collected(self, quick: Gathered | None, now: float) -> None:
        if quick is not None:
            self._returned(returns.gathered(quick), now)

    def _mind_the_worker(self) -> None:
        if self._dead:
            return
        ended = self._worker.ended()
        if ended is None:
            return
        self._dead = True
        now = time.monotonic()
        self._read_worker(rest=True)
        self._collected(self._collector.left(), now)
        end = self._gauge.end(ended, self._output.tail())
        self._do(self._machine.worker_ended(end, now))

    def _mind_signals(self) -> None:
        while (caught := self._wakeups.next_signal()) is not None:
            name, now = caught.name, time.monotonic()
            if (notice := self._warnings.get(caught)) is not None:
                self._log(f"warned by {name}: {notice.text}")
                job = self._worker.outbox.doing()[0]
                job = job if self._worker.outbox.can_save() else None
                self._do(self._machine.warned(notice, caught, job, now))
            else:
                self._log(f"told to end by {name}")
                text = f"it was told to end by {name}"
                self._do(self._machine.depart("signal", text, now, signal=caught))

    def _mind_the_time(self, now: float) -> float:
        """Do what time has brought; return when to look again, in seconds."""
        pause = self._machine.pause(now)
        if now - self._looked < _REST_S and pause > 0:
            return min(_REST_S, pause)
        self._looked = now
        refill.tidy(now)
        vitals = actions.Vitals()
        self._gauge.mind_the_peak()
        beats = self._machine.beat_due(now)
        if beats or now - self._sampled > _SAMPLE_S:
            self._sampled = now
            vitals = self._gauge.measure(network=beats)
        tail = self._output.fresh() if beats else ""
        if not self._dead:
            self._collected(self._collector.early(), now)
        shown = self._machine.shows_progress(now)
        seen = self._gauge.glance(vitals, progress=shown, tail=tail)
        self._machine.coming = self._talk.coming
        self._machine.departure.moved = self._talk.moved
        self._do(self._machine.tick(seen, now))
        if (answer := self._gauge.answer(now)) is not None:
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
        return min(_TICK_S, self._machine.pause(time.monotonic()))

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

    # Actions ------------------------------------------------------------------------

    def _do(self, wanted: Iterable[actions.Action]) -> None:
        for action in wanted:
            self._acts[type(action)](action)

    def _ask_for_checkpoint(self, ask: AskCheckpoint) -> None:
        self._worker.outbox.ask(ask.job)
        self._worker.ask(saving.ASK)

    def _withdraw(self, _: actions.Withdraw) -> None:
        running = self._link.withdraw(self._worker.outbox)
        self._do(self._machine.withdrawn(running, time.monotonic()))

    def _examine(self, examine: actions.Examine) -> None:
        self._gauge.examine(examine.job, time.monotonic())

    def _leave(self, leave: actions.Leave) -> None:
        self._status = leave.status

    def _hand(self, records: Iterable[Record]) -> None:
        """Hand something to the worker."""
        for record in records:
            self._link.send(record)

    def _set_up(self, welcome: m.Welcome) -> None:
        path = () if self._job_path in ("", "-") else (self._job_path,)
        keeps = refill.share(self._cores)
        refill.begin(self, most_bytes=keeps)
        setup = Setup(
            environment=bounded(welcome.environment, os.environ, self._cores),
            directory=welcome.directory,
            path=(*path, *welcome.path),
            warnings=tuple(self._warnings),
            keeps=keeps,
        )
        self._link.send(Record(RecordType.SETUP, (msgspec.msgpack.encode(setup),)))
        self._hand(self._supplies.contents())

    def _start_worker(self) -> None:
        self._gauge.leave()
        self._worker.close()
        strays.end(self._worker.pid)
        self._worker = spawn_worker()
        self._link = Link(self._worker.sock)
        self._collector = Collector(self._worker.outbox)
        self._gauge.follow(self._worker)
        self._dead = False
        self._mind_watchers()
