"""Who may say what when: the life of one connection, seen from either side.

`TRANSITIONS` is the monitor's view of a runner. A message that is not in the row of
the present state breaks the protocol, and the session is in `SessionState.ERROR` for
good; the runner that meant well will say hello again with a new connection.

`Unacknowledged` is the runner's memory of what the monitor has not acknowledged yet.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from gridmap.errors import LocalProtocolError, RemoteProtocolError
from gridmap.protocol.messages import (
    Beat,
    Bring,
    Checkpoint,
    Credit,
    FromRunner,
    Goodbye,
    Hello,
    Live,
    Piece,
    Report,
    Returned,
    Stack,
    Warned,
    WorkerLost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class SessionState(enum.IntEnum):
    """Where a runner's session is, as the monitor sees it."""

    GREETING = 0
    """Nothing was said yet; only a Hello is listened to."""
    OPEN = 1
    CLOSED = 2
    """It said goodbye. What it repeats is acknowledged and changes nothing."""
    ERROR = 3
    """It broke the protocol. Nothing it says is listened to."""


_OPEN: Final[Mapping[type[FromRunner], SessionState]] = {
    Hello: SessionState.OPEN,
    Beat: SessionState.OPEN,
    Live: SessionState.OPEN,
    Stack: SessionState.OPEN,
    Report: SessionState.OPEN,
    WorkerLost: SessionState.OPEN,
    Returned: SessionState.OPEN,
    Warned: SessionState.OPEN,
    Checkpoint: SessionState.OPEN,
    Bring: SessionState.OPEN,
    Piece: SessionState.OPEN,
    Credit: SessionState.OPEN,
    Goodbye: SessionState.CLOSED,
}

TRANSITIONS: Final[Mapping[SessionState, Mapping[type[FromRunner], SessionState]]] = (
    MappingProxyType(
        {
            SessionState.GREETING: {Hello: SessionState.OPEN},
            SessionState.OPEN: _OPEN,
            # A goodbye that was not acknowledged in time is said again, and so may be
            # reports that were on the way, with their large frames.
            SessionState.CLOSED: {
                Hello: SessionState.OPEN,
                Report: SessionState.CLOSED,
                WorkerLost: SessionState.CLOSED,
                Returned: SessionState.CLOSED,
                Warned: SessionState.CLOSED,
                Checkpoint: SessionState.CLOSED,
                Bring: SessionState.CLOSED,
                Piece: SessionState.CLOSED,
                Credit: SessionState.CLOSED,
                Goodbye: SessionState.CLOSED,
            },
            SessionState.ERROR: {},
        }
    )
)


def advance(state: SessionState, message: FromRunner) -> SessionState:
    """Return the state after *message*.

    Raises:
        RemoteProtocolError: If it may not be said now.
    """
    try:
        return TRANSITIONS[state][type(message)]
    except KeyError:
        msg = f"a runner said {type(message).__name__} in state {state.name}"
        raise RemoteProtocolError(msg) from None


Numbered: TypeAlias = Report | WorkerLost | Returned | Warned | Checkpoint | Goodbye


class Unacknowledged(msgspec.Struct):
    """Numbered messages, with their payloads, until the monitor has them.

    Not bounded: it holds results, which must not be lost. What bounds it is that a
    monitor gives no work to a runner that does not get rid of its results.
    """

    _next: int = 1
    _kept: dict[int, tuple[Numbered, Sequence[Any], float]] = {}

    def __len__(self) -> int:
        """Return how many messages wait for their acknowledgement."""
        return len(self._kept)

    def messages(self) -> list[Numbered]:
        """Return the messages that wait, oldest first."""
        return [message for message, _, _ in self._kept.values()]

    def kept(self) -> list[tuple[Numbered, Sequence[Any]]]:
        """Return the messages that wait, oldest first, with their payloads."""
        return [(message, frames) for message, frames, _ in self._kept.values()]

    def number(self) -> int:
        """Return the number for the next message."""
        number = self._next
        self._next += 1
        return number

    def keep(self, message: Numbered, frames: Sequence[Any], now: float) -> None:
        """Remember a message that is being sent.

        Raises:
            LocalProtocolError: If its number did not come from `number`.
        """
        if not 0 < message.number < self._next or message.number in self._kept:
            msg = f"message number {message.number} was not handed out or is in use"
            raise LocalProtocolError(msg)
        self._kept[message.number] = (message, frames, now)

    def acknowledged(self, numbers: Sequence[int]) -> None:
        """Forget messages the monitor has; unknown numbers are old news."""
        for number in numbers:
            self._kept.pop(number, None)

    def due(
        self, now: float, older_than: float
    ) -> Iterator[tuple[Numbered, Sequence[Any]]]:
        """Yield, in order, what is to be sent again.

        Args:
            now: The present, seconds on a monotonic clock.
            older_than: Only messages last sent this many seconds ago or more; 0
                for all, after a reconnection.
        """
        for number, (message, frames, sent) in list(self._kept.items()):
            if now - sent >= older_than:
                self._kept[number] = (message, frames, now)
                yield message, frames
