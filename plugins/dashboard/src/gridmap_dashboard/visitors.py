"""Who is connected to the page, and has not shown yet that it is his.

Anybody on this machine can connect. Strangers have little time and a number of places
of their own, so whoever comes with the token finds room, and what he looks at stays.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    Address: TypeAlias = tuple[str, int] | None

MOST_STRANGERS: Final = 100
"""Connections without the token; the next one takes the place of the oldest."""

PATIENCE_S: Final = 5.0
"""How long one of them may take to show it."""

_LEAST_S: Final = 0.1
"""How long each has at least, or a flood could push out who is just about to ask."""


@attrs.frozen
class _Stranger:
    """One of them: its connection, since when, and what ends it."""

    transport: asyncio.Transport
    since: float
    timer: asyncio.TimerHandle


class Visitors:
    """The strangers among the connections; used in the server's own thread."""

    def __init__(self) -> None:
        self._strangers: dict[Address, _Stranger] = {}  # oldest first

    def come(self, address: Address, transport: asyncio.Transport) -> None:
        """Take in a connection, in the place of the oldest if there is no other."""
        loop = asyncio.get_running_loop()
        if len(self._strangers) >= MOST_STRANGERS:
            first, oldest = next(iter(self._strangers.items()))
            if loop.time() - oldest.since < _LEAST_S:
                transport.abort()
                return
            self.leave(first)
            oldest.transport.abort()
        timer = loop.call_later(PATIENCE_S, transport.abort)
        self._strangers[address] = _Stranger(transport, loop.time(), timer)

    def leave(self, address: Address) -> None:
        """Forget one, since it is closed, or has shown the token."""
        stranger = self._strangers.pop(address, None)
        if stranger is not None:
            stranger.timer.cancel()


def protocol(visitors: Visitors) -> type[asyncio.Protocol]:
    """Return uvicorn's connection, but that visitors are told of each."""

    class Visit(H11Protocol):
        def connection_made(  # type: ignore[override] # as it is there
            self, transport: asyncio.Transport
        ) -> None:
            super().connection_made(transport)
            visitors.come(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            visitors.leave(self.client)
            super().connection_lost(exc)

    return Visit
