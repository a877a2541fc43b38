"""That a runner is there: its greetings and heartbeats, and who answers them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.protocol import messages as m

if TYPE_CHECKING:
    from gridmap.runner.actions import Glance

_SILENT_BEATS: Final = 2.5
"""Heartbeats without an answer after which a runner says hello once more."""

_SETTLING_S: Final = 0.2
"""Seconds before its first heartbeat, in which a runner begins its first jobs."""


class Presence:
    """What a runner shows of itself, and when it last heard the monitor.

    Attributes:
        interval: Seconds between heartbeats; the monitor says.
        orphan: Seconds without the monitor after which it is an orphan; likewise.
    """

    def __init__(self, now: float) -> None:
        self.interval = 10.0
        self.orphan = 600.0
        self._born = self._heard = self._beat_at = now
        self._connections = 0
        self._beats = 0
        self._echo = 0

    def connected(self, now: float) -> None:
        """The connection is there, for the first time or again."""
        self._heard = now
        self._connections += 1

    def heard(self, message: m.FromMonitor, now: float) -> None:
        """The monitor said something, whatever it was."""
        self._heard = now
        if isinstance(message, m.Echo):
            self._echo = max(self._echo, message.number)
        elif isinstance(message, m.Welcome):
            self.interval, self.orphan = message.interval, message.orphan
            settling = 0.0 if self._beats else min(self.interval, _SETTLING_S)
            self._beat_at = now + settling

    def silence(self, now: float) -> float:
        """Return how long the monitor has not been heard, seconds."""
        return now - self._heard

    def orphaned(self, now: float) -> bool:
        """Whether the monitor has been gone for longer than a runner waits."""
        return self.silence(now) > self.orphan

    def unanswered(self, now: float) -> bool:
        """Whether a greeting has to go before the next heartbeat.

        A monitor that answers nothing may be a new one, which lets nobody speak before
        he has said hello.
        """
        return self.silence(now) > _SILENT_BEATS * self.interval

    def due(self, now: float) -> bool:
        """Whether it is time for a heartbeat."""
        return now >= self._beat_at

    def greeting(self, hello: m.Hello, holds: tuple[int, ...], now: float) -> m.Hello:
        """Return a hello that names the grants held, and the time that is left by now.

        Args:
            hello: As it was when the runner began.
            holds: The grants.
            now: The present.
        """
        fields = {name: getattr(hello, name) for name in hello.__struct_fields__}
        if hello.remaining is not None:
            fields["remaining"] = hello.remaining - (now - self._born)
        said = {"holds": holds, "connection": self._connections}
        return m.Hello(**{**fields, **said})

    def beat(
        self, seen: Glance, job: int | None, holds: tuple[int, ...], now: float
    ) -> m.Beat:
        """Return the heartbeat to say now.

        Args:
            seen: How the worker is.
            job: The job it runs, if that is one of the runner's; None if it is not.
            holds: The grants held.
            now: The present.
        """
        self._beats += 1
        self._beat_at = max(self._beat_at + self.interval, now)
        vitals = seen.vitals
        return m.Beat(
            number=self._beats,
            holds=holds,
            echo=self._echo,
            job=job,
            running=seen.seconds,
            cpu=vitals.cpu,
            rss=vitals.rss,
            peak=vitals.peak,
            read=vitals.read,
            written=vitals.written,
            processes=vitals.processes,
            progress=None if job is None else seen.progress,
            tail=seen.tail,
        )
