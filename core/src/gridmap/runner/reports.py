"""What a runner must have told: said again until the monitor has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gridmap.protocol import messages as m
from gridmap.runner.actions import Action, Say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gridmap.protocol.sessions import Numbered, Unacknowledged
    from gridmap.runner.actions import WorkerEnd
    from gridmap.runner.interruption import Tell
    from gridmap.runner.workload import Lost, Stretch


class Farewell(msgspec.Struct, frozen=True):
    """Why a runner leaves; see `messages.Goodbye`.

    Attributes:
        reason: One of the words for it.
        text: In words.
        signal: The signal, where the reason is one; None if it is not.
        at: Since when it wants to, seconds.
    """

    reason: str
    text: str
    signal: int | None
    at: float

    @property
    def status(self) -> int:
        """The exit status of the runner's process."""
        return 0 if self.reason == "stopped" else 1


class Reports:
    """Numbers what is told and keeps it until it is acknowledged."""

    def __init__(self, kept: Unacknowledged, emit: Callable[[Action], None]) -> None:
        """Begin.

        Args:
            kept: Where it is kept.
            emit: Takes what is to be said.
        """
        self._kept = kept
        self._emit = emit

    @property
    def grants(self) -> set[int]:
        """The grants of which something is told and not known to have arrived."""
        return {
            message.grant
            for message in self._kept.messages()
            if not isinstance(message, m.Goodbye | m.Warned)
        }

    @property
    def arrived(self) -> bool:
        """Whether the monitor has all that was told."""
        return not len(self._kept)

    @property
    def saved(self) -> bool:
        """Whether a checkpoint is not known to have arrived."""
        return self._keeps(m.Checkpoint)

    @property
    def warning(self) -> bool:
        """Whether a warning is not known to have arrived."""
        return self._keeps(m.Warned)

    def _keeps(self, kind: type[Numbered]) -> bool:
        return any(isinstance(message, kind) for message in self._kept.messages())

    def again(self, now: float, older_than_s: float) -> None:
        """Say again what was not acknowledged; see `Unacknowledged.due`."""
        for message, frames in self._kept.due(now, older_than_s):
            self._emit(Say(message=message, frames=frames))

    def _tell(self, message: Numbered, frames: Sequence[Any], now: float) -> None:
        self._kept.keep(message, frames, now)
        self._emit(Say(message=message, frames=frames))

    def ended(
        self,
        jobs: Stretch,
        failures: tuple[m.Failure, ...],
        seconds: float,
        peak: int,
        frames: Sequence[Any],
        now: float,
    ) -> None:
        """Tell of jobs that ended; see `messages.Report`.

        Args:
            jobs: Which.
            failures: Those of them that did not return a value.
            seconds: How long they took together.
            peak: Most bytes of memory held; 0 where it was not looked at.
            frames: Their values and exceptions, packed as they will travel.
            now: The present.
        """
        message = m.Report(
            number=self._kept.number(),
            grant=jobs.grant,
            first=jobs.first,
            count=jobs.count,
            failures=failures,
            seconds=seconds,
            peak=peak,
        )
        self._tell(message, frames, now)

    def returned(self, stretches: Iterable[Stretch], now: float) -> None:
        """Tell of jobs that are handed back, not started."""
        for stretch in stretches:
            message = m.Returned(
                number=self._kept.number(),
                grant=stretch.grant,
                first=stretch.first,
                count=stretch.count,
            )
            self._tell(message, (), now)

    def lost(self, lost: Lost, end: WorkerEnd, now: float) -> None:
        """Tell of a job that ended with its worker."""
        message = m.WorkerLost(
            number=self._kept.number(),
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

    def warned(self, tell: Tell, now: float) -> None:
        """Tell of a warning, and what is done about it."""
        message = m.Warned(
            number=self._kept.number(),
            text=tell.text,
            signal=tell.signal,
            job=tell.job,
            ending=tell.ending,
        )
        self._tell(message, (), now)

    def checkpoint(
        self,
        grant: int,
        job: int,
        digest: bytes,
        seconds: float,
        frames: Sequence[Any],
        now: float,
    ) -> None:
        """Tell what a job is to go on with; see `messages.Checkpoint`."""
        message = m.Checkpoint(
            number=self._kept.number(),
            grant=grant,
            job=job,
            digest=digest,
            seconds=seconds,
        )
        self._tell(message, frames, now)

    def goodbye(
        self, farewell: Farewell, job: int | None, tail: str, now: float
    ) -> None:
        """Tell that the runner ends; see `Departure.say`."""
        message = m.Goodbye(
            number=self._kept.number(),
            reason=farewell.reason,
            text=farewell.text,
            signal=farewell.signal,
            job=job,
            tail=tail,
        )
        self._tell(message, (), now)
