"""Where the sessions of runners are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.protocol.sessions import SessionState, advance

if TYPE_CHECKING:
    from gridmap.protocol import messages as m


class Sessions:
    """Those that are not over.

    A routing id can be taken over by a new connection, a session cannot: on another
    connection a peer has said nothing yet.
    """

    def __init__(self) -> None:
        self._states: dict[bytes, SessionState] = {}
        self._connections: dict[bytes, int] = {}

    @property
    def peers(self) -> tuple[bytes, ...]:
        """Who has one."""
        return tuple(self._states)

    def state(self, peer: bytes, connection: int) -> SessionState:
        """Return where a peer's session is, on a connection."""
        if self._connections.get(peer) != connection:
            return SessionState.GREETING
        return self._states.get(peer, SessionState.GREETING)

    def hear(self, peer: bytes, connection: int, message: m.FromRunner) -> None:
        """Take in what a peer says.

        Raises:
            RemoteProtocolError: If that is not to be said now; nothing is changed.
        """
        self._states[peer] = advance(self.state(peer, connection), message)
        self._connections[peer] = connection

    def shut(self, peer: bytes) -> None:
        """Listen no more to a peer that broke the protocol, on this connection."""
        self._states[peer] = SessionState.ERROR

    def end(self, peer: bytes) -> SessionState | None:
        """Forget what a peer said; return where it was, None if nowhere."""
        self._connections.pop(peer, None)
        return self._states.pop(peer, None)
