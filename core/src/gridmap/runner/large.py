"""A runner's large frames, by whichever way they get through.

Where the driver's port for it is reached, they travel apart (`apart`). What is left, and
what does not get through there, travels in pieces (`pieces`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gridmap import payload
from gridmap.runner.apart import Apart
from gridmap.runner.pieces import Pieces
from gridmap.transport.bulk.requests import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gridmap.connection import ConnectionFile
    from gridmap.payload import Frame
    from gridmap.protocol import messages as m
    from gridmap.runner.apart import Shared


class LargeFrames:
    """Either way. Used in the runner's thread."""

    def __init__(
        self,
        send: Callable[[Sequence[Any]], bool],
        wake: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        """Begin with nothing under way.

        Args:
            send: Sends a message; tells whether it is on its way.
            wake: Wakes the runner's thread, to look at `fetched` and `brought`; called
                in others.
            log: Writes a line for people.
        """
        self._apart = Apart(wake, log)
        self._pieces = Pieces(send, wake)
        self._encoded: list[Frame] = []
        self._referring: list[Frame] = []
        self._neighbour = self._apart_first = False

    # Greetings ----------------------------------------------------------------------

    def introduce(
        self, hello: m.Hello, file: ConnectionFile, address: str | None
    ) -> m.Hello:
        """Return a greeting that says which way can be used; see `Apart.introduce`."""
        return self._apart.introduce(hello, file, address)

    def greeted(self) -> None:
        """A greeting was said, by whichever connection."""
        self._pieces.greeted()

    def welcomed(self, welcome: m.Welcome) -> None:
        """Take in what was agreed."""
        self._apart.welcomed(welcome)
        self._pieces.welcomed(welcome.bringing)

    def give_up(self) -> None:
        """Forget what is under way: the monitor will be told, or tell, all again."""
        self._apart_first, self._encoded = False, []
        self._apart.give_up()
        self._pieces.give_up()

    def refused(self) -> None:
        """The monitor does not find what was brought."""
        self._apart.refused()

    # Fetching -----------------------------------------------------------------------

    def here(
        self, references: Sequence[Frame], limit_bytes: int, shared: Shared | None
    ) -> bool:
        """Say whether frames that a message refers to are here; fetch them if not.

        Args:
            references: As in the message.
            limit_bytes: How large they may be together, by either way.
            shared: See `Apart.here`.

        Returns:
            Whether they are; if not, ask again when woken.

        Raises:
            RemoteProtocolError: If they are none, or were not agreed on.
            OSError: If they could not be fetched: a greeting is to be said.
        """
        apart = [one for one in references if number_of(one) is None]
        pieces = [one for one in references if number_of(one) is not None]
        try:
            here = self._apart.here(apart, limit_bytes, shared)
        except OSError:
            self._apart.failed()
            raise
        return self._pieces.here(pieces, limit_bytes, time.monotonic()) and here

    @property
    def opened(self) -> Collection[bytes]:
        """See `Apart.opened`."""
        return self._apart.opened

    def forget(self, digest: bytes) -> None:
        """Hand on no more what was shared."""
        self._apart.forget(digest)

    def close(self) -> None:
        """End all that others on this node have from here."""
        self._apart.close()

    def take(self, reference: Frame, limit_bytes: int) -> Frame:
        """Return a frame that is `here`."""
        if number_of(reference) is None:
            return self._apart.take(reference, limit_bytes)
        return self._pieces.take(reference)

    @property
    def fetched(self) -> bool:
        """Whether what was awaited is here, or failed."""
        return self._apart.fetched and self._pieces.fetched

    def came(self, piece: m.Piece, frames: Sequence[Frame]) -> None:
        """Take in a piece of what is fetched."""
        self._pieces.came(piece, frames, time.monotonic())

    # Bringing -----------------------------------------------------------------------

    def bring(self, encoded: list[Frame], *, neighbour: bool) -> list[Frame] | None:
        """Begin to bring what is large in a message.

        Args:
            encoded: Its payload, as `payload.encode` returned it.
            neighbour: Whether the monitor is on this host; see `payload.least_apart`.

        Returns:
            The payload to be said now; None if it is to wait for what `brought` returns.
        """
        if payload.is_light(encoded):
            return encoded
        self._neighbour = neighbour
        if self._apart.brings:
            referring = payload.refer(encoded, self._apart.pack)
            if self._apart.bring():
                self._encoded, self._referring = encoded, referring
                self._apart_first = True
                return None
        return self._bring_in_pieces(encoded)

    def _bring_in_pieces(self, encoded: list[Frame]) -> list[Frame] | None:
        least = payload.least_apart(encoded, neighbour=self._neighbour)
        self._referring = payload.refer(encoded, self._pieces.pack, least)
        brings = self._pieces.bring(time.monotonic())
        return None if brings else self._referring

    def brought(self) -> list[Frame] | None:
        """Return the payload to be said, once all that was to be brought is there."""
        if self._apart_first:
            through = self._apart.brought()
            if through is None:
                return None
            self._apart_first = False
            encoded = self._referring if through else self._encoded
            self._encoded = []
            return self._bring_in_pieces(encoded)
        return self._referring if self._pieces.brought() else None

    def allowed(self, credit: m.Credit) -> None:
        """Take in how far a frame may be sent in pieces.

        Raises:
            RemoteProtocolError: If that cannot be.
        """
        self._pieces.allowed(credit, time.monotonic())

    @property
    def moved(self) -> float:
        """When bytes of what is brought last moved, on the monotonic clock."""
        return max(self._apart.moved, self._pieces.moved)

    def tick(self) -> None:
        """Say what could not be said before. To be called now and then."""
        self._pieces.tick(time.monotonic())
