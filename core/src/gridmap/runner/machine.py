"""The rules of a runner: what it heard in, what it does out. Pure.

The machine takes grants into its workload, which feeds the worker, makes reports of
results, keeps what the monitor has not acknowledged, and knows when to leave.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gridmap.protocol import messages as m
from gridmap.protocol.sessions import Outbox
from gridmap.runner.actions import (
    Action,
    Examine,
    KillWorker,
    Leave,
    Say,
    SetUp,
    StartWorker,
    Vitals,
    Withdraw,
    WorkerEnd,
)
from gridmap.runner.interruption import (
    AskCheckpoint,
    Interruption,
    Part,
    Step,
    Tell,
)
from gridmap.runner.live import Live
from gridmap.runner.workload import LONG_S, Lost, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.backend import Notice
    from gridmap.runner.workload import Stretch

_SIGKILL: Final = 9

_SILENT_BEATS: Final = 2.5
"""Heartbeats without an answer after which a runner says hello once more."""

LAST_WORDS_S: Final = 1.5
"""How long a runner that was told to end waits for its last words to be heard.
Schedulers follow their first signal by SIGKILL, some after two seconds."""

MOST_IDLE_DEATHS: Final = 3
"""Workers that may die in a row without having run a job."""


class Phase(enum.Enum):
    """Where a runner is in its life."""

    GREETING = "greeting"
    SERVING = "serving"
    LEAVING = "leaving"
    """It will end when its worker has, or when its last words are acknowledged."""
    GONE = "gone"


class _Farewell(msgspec.Struct, frozen=True):
    """Why a runner leaves, and since when it wants to."""

    reason: str
    text: str
    signal: int | None
    at: float


class RunnerMachine:
    """The rules of one runner.

    Attributes:
        coming: Grants that have come but for a large frame, which is on its way.
    """

    def __init__(self, hello: m.Hello, now: float) -> None:
        self.phase = Phase.GREETING
        self.interval = 10.0
        self.orphan = 600.0
        self.outbox = Outbox()
        self.live = Live()
        self.hello = hello
        self.coming: frozenset[int] = frozenset()
        self._out: list[Action] = []
        self._workload = Workload(self._emit)
        self._connections = 0
        self._ready = False
        self._welcome: m.Welcome | None = None
        self._heard = now
        self._beat_at = now
        self._beats = 0
        self._echo = 0
        self._idle_deaths = 0
        self._farewell: _Farewell | None = None
        self._goodbye = False
        self._status = 0
        self._killing = False
        self._withdrawing = False
        self._born = now
        self._interruption = Interruption(hello.remaining, now)

    def _flush(self) -> list[Action]:
        out, self._out = self._out, []
        return out

    def _emit(self, action: Action) -> None:
        self._out.append(action)

    def _say(self, message: m.FromRunner, frames: Sequence[Any] = ()) -> None:
        self._out.append(Say(message=message, frames=frames))

    def _tell(self, message: Any, frames: Sequence[Any], now: float) -> None:
        """Say something that must arrive."""
        self.outbox.keep(message, frames, now)
        self._say(message, frames)

    # Connection ---------------------------------------------------------------------

    def connected(self, now: float) -> list[Action]:
        """The connection is there, for the first time or again: greet."""
        self._heard = now
        self._connections += 1
        self._greet(now)
        if self.phase is not Phase.GREETING:
            for message, frames in self.outbox.due(now, 0.0):
                self._say(message, frames)
        return self._flush()

    def _greet(self, now: float) -> None:
        holds = self._holds()
        age = now - self._born
        self._say(said_again(self.hello, holds, self._connections, age))

    def _holds(self) -> tuple[int, ...]:
        """Return the grants of which something is not done, or not known to be."""
        kept = {
            message.grant
            for message in self.outbox.messages()
            if not isinstance(message, m.Goodbye | m.Warned)
        }
        return tuple(sorted(self._workload.grants | kept | self.coming))

    def heard(self, message: m.FromMonitor, now: float) -> list[Action]:
        """Take in a message of the monitor's."""
        self._heard = now
        match message:
            case m.Welcome():
                self._welcomed(message)
            case m.Refuse():
                self._leave(4)
            case m.Work():
                self._work(message)
            case m.Ack():
                self.outbox.acknowledged(message.numbers)
            case m.Recall() | m.Cancel():
                self._take_away(message, now)
            case m.Examine():
                self._examine(message.job)
            case m.Watch():
                self.live.watch(message)
            case m.Stop():
                self._stop(message, now)
            case m.Echo():
                self._echo = max(self._echo, message.number)
            case _:
                pass  # Content and Discard: the shell's
        self._go_if_done()
        return self._flush()

    def _examine(self, job: int) -> None:
        if self._workload.with_worker(job) is not None:
            self._out.append(Examine(job=job))

    def _welcomed(self, welcome: m.Welcome) -> None:
        self.interval, self.orphan = welcome.interval, welcome.orphan
        self._interruption.grace = welcome.grace
        self.live.watch(m.Watch(period=0.0))  # whoever watches says so again
        self._beat_at = self._heard
        if self.phase is Phase.GREETING:
            self.phase = Phase.SERVING
            self._welcome = welcome
            self._out.append(SetUp(welcome=welcome))

    def _work(self, work: m.Work) -> None:
        if self.phase is not Phase.SERVING or not self._workload.take(work):
            return
        if self._interruption.closing:
            self._hand_back(self._heard, work.grant)
        self._feed()

    def _take_away(self, message: m.Recall | m.Cancel, now: float) -> None:
        if isinstance(message, m.Recall):
            self._hand_back(now, message.grant)
        else:
            self._workload.cancel(message)
            self._end_unwanted(self._workload.current)

    def _hand_back(self, now: float, grant: int | None = None) -> None:
        """Hand back what is not started, of one grant or of all."""
        self._say_returned(self._workload.give_back(grant), now)

    def _say_returned(self, stretches: Iterable[Stretch], now: float) -> None:
        for stretch in stretches:
            message = m.Returned(
                number=self.outbox.number(),
                grant=stretch.grant,
                first=stretch.first,
                count=stretch.count,
            )
            self._tell(message, (), now)

    def _end_unwanted(self, job: int | None) -> None:
        """End the worker if the job it runs was cancelled.

        That is the first it was handed, or a later one: results of quick jobs gather
        in the worker before they are told.
        """
        if self._workload.is_unwanted(job) and not self._killing:
            # Nothing is handed to a worker that is to end, lest it be lost with it.
            self._killing, self._ready = True, False
            self._out.append(KillWorker())

    def _stop(self, stop: m.Stop, now: float) -> None:
        text = "the monitor said so"
        if stop.now or not self._workload.busy:
            self._depart("stopped", text, now)
        else:
            self._hand_back(now)
            self.phase = Phase.LEAVING

    # Worker -------------------------------------------------------------------------

    def worker_ready(self) -> list[Action]:
        """The worker is set up."""
        self._ready = True
        self._feed()
        return self._flush()

    def _feed(self) -> None:
        held_up = self._interruption.asking or self._withdrawing
        if self._ready and self._farewell is None and not held_up:
            self._workload.feed()

    def _mind_the_queue(self, running: tuple[int | None, float]) -> None:
        """Let nothing wait in the worker, where it cannot be handed back, for long."""
        job, seconds = running
        free = self._ready and self._farewell is None and not self._withdrawing
        if free and seconds > LONG_S and self._workload.is_before(job):
            self._withdrawing = True
            self._out.append(Withdraw())

    def withdrawn(self, running: int | None, now: float) -> list[Action]:
        """The worker begins nothing any more of what it was handed.

        Args:
            running: What it is at; it may turn out not to have begun that.
            now: The present.
        """
        if self._withdrawing:
            self._workload.withdraw(running)
            self._say_returned(self._workload.give_back_recalled(), now)
        return self._flush()

    def cleared(self, now: float) -> list[Action]:
        """All it did begin has ended, and was told of before this."""
        if self._withdrawing:
            self._withdrawing = False
            self._workload.cleared()
            self._say_returned(self._workload.give_back_recalled(), now)
            self._feed()
            self._go_if_done()
        return self._flush()

    def results(
        self,
        first: int,
        count: int,
        failures: tuple[m.Failure, ...],
        seconds: float,
        frames: Sequence[Any],
        now: float,
        peak: int = 0,
    ) -> list[Action]:
        """Take in results of consecutive jobs, packed as they will travel."""
        grant = self._workload.done(first, count, seconds)
        if grant is None:
            return self._flush()
        steps = self._interruption.ended(first, count)
        self._idle_deaths = 0
        message = m.Report(
            number=self.outbox.number(),
            grant=grant,
            first=first,
            count=count,
            failures=failures,
            seconds=seconds,
            peak=peak,
        )
        self._tell(message, frames, now)
        self._workload.account(grant, count)
        self._take(steps, now)
        self._end_unwanted(self._workload.current)
        self._feed()
        self._go_if_done()
        return self._flush()

    def worker_ended(self, end: WorkerEnd, now: float) -> list[Action]:
        """Take in the worker's end, after all results it had written."""
        self._ready = self._withdrawing = False
        killed, self._killing = self._killing and end.signal == _SIGKILL, False
        lost = self._workload.worker_ended(end.job, unwanted=killed)
        if self._farewell is not None:
            self._say_goodbye(None if lost is None else lost.job, end.tail, now)
            return self._flush()
        if lost is not None:
            self._idle_deaths = 0
            self._job_lost(lost, end, now)
        elif not killed:
            self._idle_deaths += 1
        if self._idle_deaths >= MOST_IDLE_DEATHS:
            said = f"signal {end.signal}" if end.signal else f"status {end.status}"
            text = f"its worker cannot be kept up: it ended with {said}: {end.tail}"
            self._depart("broken", text[-2000:], now)
            self._say_goodbye(None, "", now)
        else:
            self._out.append(StartWorker())
            if self._welcome is not None:
                self._out.append(SetUp(welcome=self._welcome))
        if end.job is not None:
            self._take(self._interruption.ended(end.job), now)
        self._go_if_done()
        return self._flush()

    def _job_lost(self, lost: Lost, end: WorkerEnd, now: float) -> None:
        if lost.wanted:
            message = m.WorkerLost(
                number=self.outbox.number(),
                grant=lost.grant,
                job=lost.job,
                status=end.status,
                signal=end.signal,
                peak=end.peak,
                out_of_memory=end.out_of_memory,
                seconds=end.seconds,
                tail=end.tail,
            )
            self._tell(message, (), now)
        self._workload.give_up(lost)

    # Warnings -----------------------------------------------------------------------

    def warned(
        self, notice: Notice, number: int, running: int | None, now: float
    ) -> list[Action]:
        """The scheduler warned of what is coming.

        Args:
            notice: Of what.
            number: By which signal.
            running: The job that runs and can be asked for a checkpoint; None if none
                can.
            now: The present.
        """
        if self.phase is Phase.GREETING:
            self._depart("signal", notice.text, now, signal=number)
        elif self._farewell is None:
            job = self._askable(running)
            self._take(self._interruption.warned(notice, number, job, now), now)
        return self._flush()

    def _askable(self, job: int | None) -> int | None:
        return None if self._killing else self._workload.with_worker(job)

    def checkpointed(
        self,
        job: int,
        digest: bytes,
        seconds: float,
        frames: Sequence[Any],
        now: float,
    ) -> list[Action]:
        """Take in what a job is to go on with; its worker does nothing more."""
        grant = self._workload.grant_of(job)
        steps = self._interruption.came(job, now) if self._farewell is None else None
        if grant is not None and steps is not None:
            message = m.Checkpoint(
                number=self.outbox.number(),
                grant=grant,
                job=job,
                digest=digest,
                seconds=seconds,
            )
            self._tell(message, frames, now)
            self._take(steps, now)
        return self._flush()

    def not_checkpointed(self, job: int, why: str, now: float) -> list[Action]:
        """Take in that a job has no checkpoint, and goes on."""
        if self._farewell is None:
            self._take(self._interruption.failed(job, why), now)
            self._feed()
        return self._flush()

    def _take(self, steps: Sequence[Step], now: float) -> None:
        """Do what the interruption asks for."""
        for step in steps:
            match step:
                case AskCheckpoint():
                    self._out.append(step)
                case Tell():
                    message = m.Warned(
                        number=self.outbox.number(),
                        text=step.text,
                        signal=step.signal,
                        job=step.job,
                        ending=step.ending,
                    )
                    self._tell(message, (), now)
                    if step.ending:
                        self._hand_back(now)
                case Part():
                    self._depart(step.reason, step.text, now, signal=step.signal)

    # Time and the end ---------------------------------------------------------------

    def tick(
        self,
        vitals: Vitals,
        running: tuple[int | None, float],
        tail: str,
        now: float,
        *,
        can_save: bool = False,
        progress: m.Progress | None = None,
    ) -> list[Action]:
        """Time has passed: beat, report, and say again what was not acknowledged.

        Args:
            vitals: Of the worker.
            running: The job it runs, and for how many seconds.
            tail: The last it printed since the beat before.
            now: The present.
            can_save: Whether that job can be asked for a checkpoint.
            progress: How far it says it is; looked at where `shows_progress`.
        """
        self._end_unwanted(running[0])
        self._mind_the_queue(running)
        if self._farewell is None and self.phase is not Phase.GREETING:
            job = self._askable(running[0]) if can_save else None
            self._take(self._interruption.tick(job, now), now)
            if not self._workload.busy:
                self._take(self._interruption.spared(now), now)
        if self.beat_due(now):
            self._beat(vitals, running, tail, progress, now)
            for message, frames in self.outbox.due(now, max(5.0, self.interval)):
                self._say(message, frames)
        if self.phase is not Phase.GREETING and not self._goodbye:
            self._show(running[0], progress, now)
        if self._farewell is not None and now - self._farewell.at > self._patience():
            self._leave(self._status)
        self._go_if_done()
        return self._flush()

    def _show(
        self,
        job: int | None,
        progress: m.Progress | None,
        now: float,
        *,
        last: bool = False,
    ) -> None:
        """Tell those who watch what is new."""
        job = self._workload.with_worker(job)
        for message in self.live.messages(job, progress, now, last=last):
            self._say(message)

    def last_beat(
        self, vitals: Vitals, running: tuple[int | None, float], now: float
    ) -> list[Action]:
        """Say what was used in the end, before the worker is ended."""
        if self.phase is Phase.SERVING:
            self._beat(vitals, running, "", None, now)
        return self._flush()

    def _patience(self) -> float:
        """Return how long last words may take; a checkpoint can be large."""
        kept = self.outbox.messages()
        saved = any(isinstance(message, m.Checkpoint) for message in kept)
        return max(LAST_WORDS_S, self._interruption.grace) if saved else LAST_WORDS_S

    def pause(self, now: float) -> float:
        """Return how many seconds no tick is needed for its own clock's sake."""
        return min(self._interruption.pause(now), self.live.pause(now))

    def shows_progress(self, now: float) -> bool:
        """Whether the next tick is to say how far the job is."""
        return self.beat_due(now) or self.live.due(now)

    def beat_due(self, now: float) -> bool:
        """Whether the next tick is to beat, so that vitals have to be measured."""
        serving = self.phase is not Phase.GREETING and not self._goodbye
        return serving and now >= self._beat_at

    def _beat(
        self,
        vitals: Vitals,
        running: tuple[int | None, float],
        tail: str,
        progress: m.Progress | None,
        now: float,
    ) -> None:
        if self.silence(now) > _SILENT_BEATS * self.interval:
            # A monitor that answers nothing may be a new one, which lets nobody speak
            # before he has said hello.
            self._greet(now)
        self._beats += 1
        self._beat_at = max(self._beat_at + self.interval, now)
        job, seconds = self._workload.with_worker(running[0]), running[1]
        self._say(
            m.Beat(
                number=self._beats,
                holds=self._holds(),
                echo=self._echo,
                job=job,
                running=seconds,
                cpu=vitals.cpu,
                rss=vitals.rss,
                peak=vitals.peak,
                read=vitals.read,
                written=vitals.written,
                processes=vitals.processes,
                progress=None if job is None else progress,
                tail=tail,
            )
        )

    def silence(self, now: float) -> float:
        """Return how long the monitor has not been heard, seconds."""
        return now - self._heard

    def examined(self, job: int, text: str) -> list[Action]:
        """The worker answered where it is; a job that ended meanwhile is nowhere."""
        if self._workload.with_worker(job) is not None:
            self._say(m.Stack(job=job, text=text))
        return self._flush()

    def orphaned(self, now: float) -> bool:
        """Whether the monitor has been gone for longer than a runner waits."""
        return now - self._heard > self.orphan

    def depart(
        self, reason: str, text: str, now: float, *, signal: int | None = None
    ) -> list[Action]:
        """End now: kill the worker, report what it finished, then say goodbye."""
        self._depart(reason, text, now, signal=signal)
        return self._flush()

    def _depart(
        self, reason: str, text: str, now: float, *, signal: int | None = None
    ) -> None:
        if self._farewell is not None or self.phase is Phase.GONE:
            return
        self._status = 0 if reason == "stopped" else 1
        if self.phase is Phase.GREETING:  # nobody knows this runner yet
            self._leave(self._status)
            return
        self._farewell = _Farewell(reason, text, signal, now)
        self.phase = Phase.LEAVING
        self._out.append(KillWorker())

    def _say_goodbye(self, job: int | None, tail: str, now: float) -> None:
        """Say the last words, once the worker has said its own."""
        farewell = self._farewell
        if farewell is None or self._goodbye:
            return
        self._goodbye = True
        self._show(None, None, now, last=True)
        message = m.Goodbye(
            number=self.outbox.number(),
            reason=farewell.reason,
            text=farewell.text,
            signal=farewell.signal,
            job=job,
            tail=tail,
        )
        self._tell(message, (), now)

    def disconnected(self) -> list[Action]:
        """The connection broke: one that was told to stop need not wait for it."""
        if self._goodbye and self._farewell and self._farewell.reason == "stopped":
            self._leave(self._status)
        return self._flush()

    def _go_if_done(self) -> None:
        """Leave when nothing is left to do and everything said has arrived."""
        if self.phase is not Phase.LEAVING or self._workload.busy:
            return
        if self._farewell is None:
            self._depart("stopped", "the monitor said so", self._heard)
        elif self._goodbye and not len(self.outbox):
            self._leave(self._status)

    def _leave(self, status: int) -> None:
        if self.phase is not Phase.GONE:
            self.phase = Phase.GONE
            self._out.append(KillWorker())
            self._out.append(Leave(status=status))


def said_again(
    hello: m.Hello, holds: tuple[int, ...], connection: int, age: float
) -> m.Hello:
    """Return a hello that names the grants held, and the time that is left by now."""
    fields = {name: getattr(hello, name) for name in hello.__struct_fields__}
    if hello.remaining is not None:
        fields["remaining"] = hello.remaining - age
    return m.Hello(**{**fields, "holds": holds, "connection": connection})
