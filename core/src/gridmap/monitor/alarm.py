"""Saying that somebody knocks, or sends what nobody should: at once, then seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from gridmap.transport.counters import Counters

PAUSE_S: Final = 60.0
"""Between two warnings: who attacks must not fill the log as well."""


class Journal(Protocol):
    """What counts the entries it did not take in, as they were too many."""

    @property
    def beyond(self) -> int:
        """How many so far."""


class Port(Protocol):
    """What counts those who came and are no runners."""

    @property
    def strangers(self) -> int:
        """How many so far."""


class Alarm(msgspec.Struct):
    """Watches what the socket and the service count. The run goes on in any case.

    Attributes:
        counters: The socket's.
        journal: The run's; None if it has none.
        apart: What counts strangers at the ports for large data; None if there are
            none.
        refused: Messages that broke the protocol so far.
    """

    counters: Counters
    journal: Journal | None = None
    apart: Port | None = None
    refused: int = 0
    _told: str = ""
    _quiet_until: float = 0.0

    def ring(self, now: float) -> str:
        """Return what to warn of now; empty if there is nothing new, or not yet.

        Args:
            now: The present, seconds on a monotonic clock.
        """
        if now < self._quiet_until:
            return ""
        text = self._text()
        if text == self._told:
            return ""
        self._told, self._quiet_until = text, now + PAUSE_S
        return text

    @property
    def counts(self) -> dict[str, int]:
        """What was turned away so far, in words, and how often; nothing that never was."""
        seen = self.counters
        strangers = seen.strangers + (self.apart.strangers if self.apart else 0)
        counts = {
            "connections with a wrong key": seen.denied,
            "connections of strangers": strangers,
            "connections too many": seen.crowded,
            "moments in which nobody was let in": seen.shut,
            "connections that could not be taken": seen.accept_failed,
            "messages too long": seen.oversized,
            "messages of too many frames": seen.malformed,
            "messages that broke the protocol": self.refused,
            "journal entries too many": self.journal.beyond if self.journal else 0,
        }
        return {what: count for what, count in counts.items() if count}

    def _text(self) -> str:
        told = [f"{what} ({count})" for what, count in self.counts.items()]
        return f"turned away so far: {', '.join(told)}" if told else ""
