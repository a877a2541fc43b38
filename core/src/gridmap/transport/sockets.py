"""What the monitor and its runners have of each other, whatever carries it.

`zeromq` speaks TCP with CURVE to runners anywhere, `unix` to those of this user on
this host. Which of them a run has is told by the addresses in its connection file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.transport.counters import Counters
    from gridmap.transport.frames import Frame


class Wakeup(NamedTuple):
    """Why `MonitorSocket.poll` returned; false when its time was up.

    Attributes:
        messages: There is something to receive.
        disconnected: Connections of peers were closed.
        woken: Another thread called `MonitorSocket.wake`.
    """

    messages: bool = False
    disconnected: bool = False
    woken: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self.messages or self.disconnected or self.woken


class Received(NamedTuple):
    """One message.

    Attributes:
        peer: Routing id of the sender.
        frames: Its frames; the first, the control message, is always bytes.
        connection: Number of the connection it came by; one that is closed may hand
            its number on.
    """

    peer: bytes
    frames: list[Frame]
    connection: int


class Ready(NamedTuple):
    """What `RunnerSocket.wait` found.

    Attributes:
        messages: There is something to receive.
        connection: The connection was lost or came back, or coming back failed.
        fds: Those of the given descriptors that can be read, or are closed at the
            other end.
    """

    messages: bool
    connection: bool
    fds: frozenset[int]


class MonitorSocket(Protocol):
    """Where a run's runners connect to.

    Everything but `wake` is called from one thread, the monitor's. Nothing here looks
    into a frame.
    """

    @property
    def addresses(self) -> tuple[str, ...]:
        """What to offer to runners, best first."""

    @property
    def counters(self) -> Counters:
        """What was turned away so far."""

    @property
    def message_bytes(self) -> int:
        """The longest message that is taken in, all frames together."""

    def poll(self, timeout_s: float | None) -> Wakeup:
        """Wait until there is something to do.

        Args:
            timeout_s: How long at most; None waits for ever, 0 only looks.

        Returns:
            What there is to do; false when the time was up.
        """

    def receive(self, max_messages: int = 1000) -> list[Received]:
        """Return the messages that have arrived, oldest first. Does not block.

        Args:
            max_messages: Stop after so many, so that the caller gets to its other
                duties; call `poll` before calling again.
        """

    def send(self, peer: bytes, frames: Sequence[Frame]) -> bool:
        """Send a message to a peer. Does not block.

        Args:
            peer: Its routing id.
            frames: At least one; large ones are not copied, so they must not be
                changed afterwards.

        Returns:
            Whether it is on its way; False if the peer has no connection or does
            not read (see `counters`). It may still be lost with the connection.

        Raises:
            LocalProtocolError: If there is no frame, or one is too long.
        """

    def wake(self) -> None:
        """Make `poll` return in the monitor's thread. For any thread, at any time."""

    def disconnected(self) -> list[bytes]:
        """Return the peers whose connection was closed since the last call.

        A hint, not a verdict: the peer may be dead, cut off, or already back. It
        comes after all messages the peer got through. A peer that has taken over
        its identity on a new connection is not named for the end of the old one.
        """

    def close(self, linger_s: float = 1.0) -> None:
        """Close everything. Idempotent.

        Args:
            linger_s: How long to wait at most for messages still on their way out.
        """


class RunnerSocket(Protocol):
    """A runner's way to its monitor; used from one thread.

    Nothing is queued while there is no connection: `send` then says so, and the
    session sends again what was not acknowledged.
    """

    @property
    def address(self) -> str | None:
        """The address in use, None before `connect`."""

    @property
    def connected(self) -> bool:
        """Whether the monitor is there, as far as can be told."""

    @property
    def disconnected_since(self) -> float | None:
        """When it was lost, by `time.monotonic`; None while connected.

        Before the first connection, when this object was made.
        """

    @property
    def failure(self) -> str | None:
        """Why the last connection was refused, None if none was since one succeeded.

        The socket keeps trying; whether that is of use, and whether the monitor may be
        elsewhere (`reconnect`), is the caller's to judge.
        """

    def connect(self, patience_s: float = 60.0) -> None:
        """Connect to the first address that answers; block until it does.

        All addresses are tried in order, round after round with growing pauses.

        Args:
            patience_s: How long to go on at most. At least one round is made.

        Raises:
            ConnectionFileError: If a monitor refused the key and no other address
                took it: the file is of another run. Trying again is no use.
            RunError: If none answered in time; says what each address did.
        """

    def reconnect(
        self, patience_s: float = 60.0, *, connection: ConnectionFile | None = None
    ) -> None:
        """Drop the connection and look for the monitor anew, at all addresses.

        For a monitor that may have come back elsewhere; one that comes back at the
        same address is found without this.

        Args:
            patience_s: As for `connect`.
            connection: What a newer connection file says; None keeps the old.

        Raises:
            RunError, ConnectionFileError: As `connect`; call again or give up.
        """

    def wait(self, timeout_s: float | None, fds: Iterable[int] = ()) -> Ready:
        """Wait for messages, for the connection to change, or for other descriptors.

        Args:
            timeout_s: How long at most; None waits for ever, 0 only looks.
            fds: Descriptors to wait for as well, until they can be read.
        """

    def send(self, frames: Sequence[Frame]) -> bool:
        """Send one message. Does not block.

        Args:
            frames: At least one; large ones are not copied, so they must not be
                changed afterwards.

        Returns:
            Whether it is on its way. False while there is no connection, or the
            monitor is not reading. It may still be lost with the connection.

        Raises:
            LocalProtocolError: If there is no frame, or one is longer than the
                monitor takes.
        """

    def receive(self, max_messages: int = 1000) -> list[list[Frame]]:
        """Return the messages that have arrived, oldest first. Does not block."""

    def close(self, flush_s: float = 5.0) -> None:
        """Close everything. Idempotent.

        Args:
            flush_s: How long to wait at most until the messages sent last are out.
        """
