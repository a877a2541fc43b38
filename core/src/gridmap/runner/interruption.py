"""What a runner does about its end while it can still do something. Pure.

It hears of it by a signal that its scheduler warns with, or by its own clock. A job
whose function defines ``checkpoint`` is asked for one then, and the runner leaves with
it; any other job goes on for as long as it can.
"""

from __future__ import annotations

import math
import signal
from typing import Final, TypeAlias

import msgspec

from gridmap.backend import Coming, Notice

PART: Final = 0.25
"""Of the time a runner has in all, what it may spend on a checkpoint at most."""

_REASONS: Final = {
    Coming.END: "signal",
    Coming.TIME_LIMIT: "deadline",
    Coming.PREEMPTION: "preempted",
}


class AskCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the worker for a checkpoint of the job it runs."""

    job: int


class Tell(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the monitor of the warning.

    Attributes:
        text: In words.
        job: The job that runs; None if none does.
        signal: The signal that warned; None if none did.
        ending: Whether no more work is to be sent.
    """

    text: str
    job: int | None
    signal: int | None
    ending: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """End the job and the runner."""

    reason: str
    text: str
    signal: int | None


Step: TypeAlias = AskCheckpoint | Tell | Part


class _Asked(msgspec.Struct, kw_only=True):
    """A job that was asked for its checkpoint, why, and what is known since.

    Attributes:
        at: When it was asked, or when its checkpoint came.
    """

    notice: Notice
    signal: int | None
    job: int
    at: float
    came: bool = False

    @property
    def text(self) -> str:
        """Who warned of what."""
        return _text(self.notice, self.signal)

    def part(self, more: str = "") -> Part:
        """Return what there is left to do."""
        reason = _REASONS[self.notice.coming]
        return Part(reason=reason, text=self.text + more, signal=self.signal)


class Interruption:
    """Watches one runner's time, and what was asked of its worker.

    Attributes:
        grace: Seconds a checkpoint may take; the monitor says.
        closing: Whether the runner is to begin nothing any more.
    """

    def __init__(self, remaining: float | None, now: float) -> None:
        self.grace = 60.0
        self.closing = False
        self._deadline = math.inf if remaining is None else now + remaining
        self._share = math.inf if remaining is None else PART * max(remaining, 0.0)
        self._asked: _Asked | None = None
        self._ends: tuple[Notice, int, float] | None = None
        self._declined: int | None = None
        self._told: Tell | None = None

    @property
    def asking(self) -> bool:
        """Whether nothing is to be begun, at least for now."""
        return self.closing or self._asked is not None

    @property
    def _asks_at(self) -> float:
        """When the runner asks by itself."""
        return self._deadline - min(self.grace, self._share)

    def pause(self, now: float) -> float:
        """Return how many seconds there are until the runner asks by itself."""
        pause = self._asks_at - now
        return pause if pause > 0 else math.inf

    def warned(
        self, notice: Notice, number: int, job: int | None, now: float
    ) -> list[Step]:
        """The scheduler warned.

        Args:
            notice: Of what.
            number: By which signal.
            job: The job that runs and can be asked for a checkpoint; None if none can.
            now: The present.
        """
        ends = notice.coming is Coming.END
        notice = self._understood(notice, now)
        if ends:
            self._ends = (notice, number, now)
        if self._asked is not None:
            if ends:
                self._asked.notice, self._asked.signal = notice, number
            return []
        if job is not None:
            return self._ask(notice, number, job, now)
        if not ends:
            return []
        text = _text(notice, number)
        if notice.stay:
            self.closing = True
            return [self._tell(text, None, number)]
        return [Part(reason="signal", text=text, signal=number)]

    def _understood(self, notice: Notice, now: float) -> Notice:
        """Return what a notice says at this time."""
        left = self._deadline - now
        if notice.within_s is None or math.isinf(left) or left <= notice.within_s:
            return notice
        text = f"it is to give way, {left:.0f} s before its time is over"
        return msgspec.structs.replace(notice, coming=Coming.PREEMPTION, text=text)

    def _ask(
        self, notice: Notice, number: int | None, job: int, now: float
    ) -> list[Step]:
        self._asked = _Asked(notice=notice, signal=number, job=job, at=now)
        self.closing = self.closing or notice.coming is Coming.END
        text = f"{self._asked.text}; its job was asked for a checkpoint"
        return [self._tell(text, job, number), AskCheckpoint(job=job)]

    def _tell(self, text: str, job: int | None, number: int | None) -> Tell:
        self._told = Tell(text=text, job=job, signal=number, ending=self.closing)
        return self._told

    def reminder(self) -> list[Step]:
        """Return what is to be said to one who does not know that no work is wanted."""
        return [self._told] if self.closing and self._told is not None else []

    def tick(self, job: int | None, now: float) -> list[Step]:
        """Time has passed; see `warned` for the arguments."""
        asked = self._asked
        if asked is not None:
            return self._overdue(asked, now)
        if job is None or job == self._declined or self.closing:
            return []
        if now < self._asks_at:
            return []
        left = self._deadline - now
        text = f"its time is over in {max(left, 0.0):.1f} s"
        return self._ask(Notice(coming=Coming.TIME_LIMIT, text=text), None, job, now)

    def spared(self, now: float) -> list[Step]:
        """Leave, where nothing runs any more and the scheduler should have acted.

        A signal that a person sent, or an end that was thought better of, must not
        leave a runner behind that begins nothing and keeps its place.
        """
        if self._ends is None or self._asked is not None or not self.closing:
            return []
        notice, number, since = self._ends
        if now - since <= self.grace:
            return []
        text = _text(notice, number) + "; but nobody ended it"
        return [Part(reason="signal", text=text, signal=number)]

    def _overdue(self, asked: _Asked, now: float) -> list[Step]:
        """See whether the scheduler should have acted by now."""
        if asked.notice.coming is not Coming.END or now - asked.at <= self.grace:
            return []
        self._asked = None
        late = f"; its checkpoint was not made within {self.grace:g} s"
        return [asked.part("" if asked.came else late)]

    def came(self, job: int, now: float) -> list[Step] | None:
        """The checkpoint is there; None: nobody asked for it.

        Where the scheduler would not know who ended a runner that ends itself, the
        runner waits for it.
        """
        asked = self._asked
        if asked is None or asked.job != job or asked.came:
            return None
        if asked.notice.coming is Coming.END and asked.notice.stay:
            asked.came, asked.at = True, now
            return []
        self._asked = None
        return [asked.part()]

    def failed(self, job: int, why: str) -> list[Step]:
        """There will be no checkpoint: go on as if none had been asked for."""
        asked = self._asked
        if asked is None or asked.job != job or asked.came:
            return []
        self._asked, self._declined = None, job
        more = f"; its checkpoint failed: {why}"
        if asked.notice.coming is Coming.END and not asked.notice.stay:
            return [asked.part(more)]
        text, number = asked.text + more, asked.signal
        return [self._tell(text, job, number)]

    def ended(self, first: int, count: int = 1) -> list[Step]:
        """Jobs ended, one of which may be the one that was being asked."""
        asked = self._asked
        if asked is None or not first <= asked.job < first + count:
            return []
        self._asked = None
        leaves = asked.notice.coming is Coming.END and not asked.notice.stay
        return [asked.part()] if leaves else []


def _text(notice: Notice, number: int | None) -> str:
    """Return who warned of what."""
    if number is None:
        return f"it is near its end: {notice.text}"
    return f"it was warned by {signal.Signals(number).name}: {notice.text}"
