"""The rules of a runner: what it heard in, what it does out. Pure.

The machine knows where the runner is in its life. It takes grants into its `Workload`,
has `Supervision` mind the worker, tells what came of jobs in its `Reports`, shows by its
`Presence` that it lives, heeds an `Interruption`, and leaves by its `Departure`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from gridmap.protocol import messages as m
from gridmap.protocol.sessions import Unacknowledged
from gridmap.runner.actions import Action, Examine, Leave, Say, SetUp
from gridmap.runner.departure import Departure
from gridmap.runner.interruption import (
    AskCheckpoint,
    Interruption,
    Part,
    Step,
    Tell,
)
from gridmap.runner.live import Live
from gridmap.runner.presence import Presence
from gridmap.runner.reports import Farewell, Reports
from gridmap.runner.supervision import Supervision
from gridmap.runner.workload import Stretch, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.backend import Notice
    from gridmap.runner.actions import Glance, WorkerEnd


class Phase(enum.Enum):
    """Where a runner is in its life."""

    GREETING = "greeting"
    SERVING = "serving"
    LEAVING = "leaving"
    """It will end when its worker has, or when its last words are acknowledged."""
    GONE = "gone"


class RunnerMachine:
    """The rules of one runner.

    Attributes:
        phase: Where it is in its life.
        hello: Its greeting, as it was when it began.
        coming: Grants that have come but for a large frame, which is on its way.
        unacknowledged: What the monitor has not acknowledged.
        live: What is told those who watch.
        presence: Its heartbeats, and when it last heard the monitor.
        departure: How it leaves.
    """

    def __init__(self, hello: m.Hello, now: float) -> None:
        self.phase = Phase.GREETING
        self.hello = hello
        self.coming: frozenset[int] = frozenset()
        self.unacknowledged = Unacknowledged()
        self.live = Live()
        self.presence = Presence(now)
        self._out: list[Action] = []
        self._reports = Reports(self.unacknowledged, self._emit)
        self._workload = Workload(self._emit)
        self._supervision = Supervision(self._workload, self._reports, self._emit)
        self._interruption = Interruption(hello.remaining, now)
        self._welcome: m.Welcome | None = None
        self.departure = Departure(self._reports)

    def _flush(self) -> list[Action]:
        out, self._out = self._out, []
        return out

    def _emit(self, action: Action) -> None:
        self._out.append(action)

    def _say(self, *messages: m.FromRunner) -> None:
        """Say what may be lost; the rest is for the reports."""
        self._out += [Say(message=message) for message in messages]

    # Connection ---------------------------------------------------------------------

    def connected(self, now: float) -> list[Action]:
        """The connection is there, for the first time or again: greet."""
        self.presence.connected(now)
        self._greet(now)
        if self.phase is not Phase.GREETING:
            self._reports.again(now, 0.0)
        return self._flush()

    def _greet(self, now: float) -> None:
        self._say(self.presence.greeting(self.hello, self._holds(), now))

    def _holds(self) -> tuple[int, ...]:
        """Return the grants of which something is not done, or not known to be."""
        grants = self._workload.grants | self._reports.grants | self.coming
        return tuple(sorted(grants))

    def heard(self, message: m.FromMonitor, now: float) -> list[Action]:
        """Take in a message of the monitor's."""
        self.presence.heard(message, now)
        match message:
            case m.Welcome():
                self._welcomed(message)
            case m.Refuse():
                self._leave(4)
            case m.Work():
                self._work(message, now)
            case m.Ack():
                self.unacknowledged.acknowledged(message.numbers)
            case m.Recall():
                self._hand_back(now, message.grant)
            case m.Cancel():
                self._supervision.cancel(message)
            case m.Examine():
                self._examine(message.job)
            case m.Watch():
                self.live.watch(message)
            case m.Stop():
                self._stop(message, now)
            case _:
                pass  # Echo is heard; Content and Discard are the shell's
        self._go_if_done(now)
        return self._flush()

    def _examine(self, job: int) -> None:
        if self._workload.with_worker(job) is not None:
            self._out.append(Examine(job=job))

    def _welcomed(self, welcome: m.Welcome) -> None:
        self._interruption.grace = welcome.grace
        self.live.watch(m.Watch(period=0.0))  # whoever watches says so again
        if self.phase is Phase.GREETING:
            self.phase = Phase.SERVING
            self._welcome = welcome
            self._out.append(SetUp(welcome=welcome))

    def _work(self, work: m.Work, now: float) -> None:
        if self.phase is not Phase.SERVING or not self._workload.take(work):
            return
        if self._interruption.closing:
            if not self._reports.warning:  # the driver it was told to is no more
                self._take(self._interruption.reminder(), now)
            self._hand_back(now, work.grant)
        self._feed()

    def _hand_back(self, now: float, grant: int | None = None) -> None:
        """Hand back what is not started, of one grant or of all."""
        self._reports.returned(self._workload.give_back(grant), now)

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
        self._supervision.ready()
        self._feed()
        return self._flush()

    def _feed(self) -> None:
        if not self._interruption.asking:
            self._supervision.feed()

    def withdrawn(self, running: int | None, now: float) -> list[Action]:
        """The worker begins nothing any more of what it was handed.

        Args:
            running: What it is at; it may turn out not to have begun that.
            now: The present.
        """
        self._supervision.withdrawn(running, now)
        return self._flush()

    def cleared(self, now: float) -> list[Action]:
        """All it did begin has ended, and was told of before this."""
        self._supervision.cleared(now)
        self._feed()
        self._go_if_done(now)
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
        grant = self._supervision.done(first, count, seconds)
        if grant is None:
            return self._flush()
        steps = self._interruption.ended(first, count)
        jobs = Stretch(grant, first, count)
        self._reports.ended(jobs, failures, seconds, peak, frames, now)
        self._workload.account(grant, count)
        self._take(steps, now)
        self._supervision.end_unwanted(self._workload.current)
        self._feed()
        self._go_if_done(now)
        return self._flush()

    def worker_ended(self, end: WorkerEnd, now: float) -> list[Action]:
        """Take in the worker's end, after all results it had written."""
        lost = self._supervision.ended(end)
        if self.departure.begun:
            self._say_goodbye(None if lost is None else lost.job, end.tail, now)
            return self._flush()
        if lost is not None:
            self._supervision.lost(lost, end, now)
        if self._supervision.hopeless:
            said = f"signal {end.signal}" if end.signal else f"status {end.status}"
            text = f"its worker cannot be kept up: it ended with {said}: {end.tail}"
            self._depart("broken", text[-2000:], now)
            self._say_goodbye(None, "", now)
        else:
            self._supervision.start_another(self._welcome)
        if end.job is not None:
            self._take(self._interruption.ended(end.job), now)
        self._go_if_done(now)
        return self._flush()

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
        elif not self.departure.begun:
            job = self._askable(running)
            self._take(self._interruption.warned(notice, number, job, now), now)
        return self._flush()

    def _askable(self, job: int | None) -> int | None:
        return None if self._supervision.killing else self._workload.with_worker(job)

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
        steps = self._interruption.came(job, now) if not self.departure.begun else None
        if grant is not None and steps is not None:
            self._reports.checkpoint(grant, job, digest, seconds, frames, now)
            self._take(steps, now)
        return self._flush()

    def not_checkpointed(self, job: int, why: str, now: float) -> list[Action]:
        """Take in that a job has no checkpoint, and goes on."""
        if not self.departure.begun:
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
                    self._reports.warned(step, now)
                    if step.ending:
                        self._hand_back(now)
                case Part():
                    self._depart(step.reason, step.text, now, signal=step.signal)

    # Time and the end ---------------------------------------------------------------

    def tick(self, seen: Glance, now: float) -> list[Action]:
        """Time has passed: beat, report, and say again what was not acknowledged.

        Args:
            seen: How the worker is.
            now: The present.
        """
        self._supervision.mind(seen.job, seen.seconds)
        if not self.departure.begun and self.phase is not Phase.GREETING:
            job = self._askable(seen.job) if seen.can_save else None
            self._take(self._interruption.tick(job, now), now)
            if not self._workload.busy:
                self._take(self._interruption.spared(now), now)
        if self.beat_due(now):
            self._beat(seen, now)
            self._reports.again(now, max(5.0, self.presence.interval))
        if self.phase is not Phase.GREETING and not self.departure.said:
            job = self._workload.with_worker(seen.job)
            self._say(*self.live.messages(job, seen.progress, now))
        if self.departure.overdue(now, self._interruption.grace):
            self._leave(self.departure.status)
        self._go_if_done(now)
        return self._flush()

    def last_beat(self, seen: Glance, now: float) -> list[Action]:
        """Say what was used in the end, before the worker is ended."""
        if self.phase is Phase.SERVING:
            self._beat(seen, now)
        return self._flush()

    def pause(self, now: float) -> float:
        """Return how many seconds no tick is needed for its own clock's sake."""
        return min(self._interruption.pause(now), self.live.pause(now))

    def shows_progress(self, now: float) -> bool:
        """Whether the next tick is to say how far the job is."""
        return self.beat_due(now) or self.live.due(now)

    def beat_due(self, now: float) -> bool:
        """Whether the next tick is to beat, so that vitals have to be measured."""
        serving = self.phase is not Phase.GREETING and not self.departure.said
        return serving and self.presence.due(now)

    def _beat(self, seen: Glance, now: float) -> None:
        if self.presence.unanswered(now):
            self._greet(now)
        job = self._workload.with_worker(seen.job)
        self._say(self.presence.beat(seen, job, self._holds(), now))

    def examined(self, job: int, text: str) -> list[Action]:
        """The worker answered where it is; a job that ended meanwhile is nowhere."""
        if self._workload.with_worker(job) is not None:
            self._say(m.Stack(job=job, text=text))
        return self._flush()

    def depart(
        self, reason: str, text: str, now: float, *, signal: int | None = None
    ) -> list[Action]:
        """End now: kill the worker, report what it finished, then say goodbye."""
        self._depart(reason, text, now, signal=signal)
        return self._flush()

    def _depart(
        self, reason: str, text: str, now: float, *, signal: int | None = None
    ) -> None:
        if self.departure.begun or self.phase is Phase.GONE:
            return
        farewell = Farewell(reason, text, signal, now)
        if self.phase is Phase.GREETING:  # nobody knows this runner yet
            self._leave(farewell.status)
            return
        self.departure.begin(farewell)
        self.phase = Phase.LEAVING
        self._supervision.end()

    def _say_goodbye(self, job: int | None, tail: str, now: float) -> None:
        """Say the last words, once the worker has said its own."""
        if self.departure.begun and not self.departure.said:
            self._say(*self.live.messages(None, None, now, last=True))
            self.departure.say(job, tail, now)

    def disconnected(self) -> list[Action]:
        """The connection broke: one that was told to stop need not wait for it."""
        if self.departure.said and self.departure.stopped:
            self._leave(self.departure.status)
        return self._flush()

    def _go_if_done(self, now: float) -> None:
        """Leave when nothing is left to do and everything said has arrived."""
        if self.phase is not Phase.LEAVING or self._workload.busy:
            return
        if not self.departure.begun:
            self._depart("stopped", "the monitor said so", now)
        elif self.departure.complete:
            self._leave(self.departure.status)

    def _leave(self, status: int) -> None:
        if self.phase is not Phase.GONE:
            self.phase = Phase.GONE
            self._supervision.end()
            self._out.append(Leave(status=status))
