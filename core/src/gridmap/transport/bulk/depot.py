"""The large frames that lie at the driver: to be fetched, and brought by runners."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.concealing import Concealing
from gridmap.transport.bulk.requests import REFERENCE
from gridmap.transport.bulk.sealing import fresh_key, fresh_ticket

if TYPE_CHECKING:
    from gridmap.payload import Frame

KEPT_S: Final = 120.0
"""How long a frame that was brought waits for the message that refers to it, which
follows at once; its runner may have died between."""

MOST_BROUGHT: Final = 256
"""Frames at a time that were brought and not taken yet."""


class Offer(Concealing, msgspec.Struct, frozen=True):
    """A frame that one runner may fetch, once.

    Attributes:
        peer: The runner.
        key: What it is sealed with.
        frame: What it is; not changed by anybody.
    """

    concealed = frozenset({"key", "frame"})

    peer: bytes
    key: bytes
    frame: Frame


class Depot:
    """Where they lie. Its methods may be called from any thread."""

    def __init__(self, room_bytes: int) -> None:
        """Begin empty.

        Args:
            room_bytes: How much may lie here that runners have brought.
        """
        self._room = room_bytes
        self._lock = threading.Lock()
        self._offers: dict[bytes, Offer] = {}
        self._brought: dict[bytes, tuple[memoryview, float]] = {}
        self._promised: dict[bytes, int] = {}

    # To be fetched ------------------------------------------------------------------

    def offer(self, peer: bytes, frame: Frame) -> bytes:
        """Put a frame here for one runner; return how a message refers to it."""
        ticket, key = fresh_ticket(), fresh_key()
        with self._lock:
            self._offers[ticket] = Offer(peer, key, frame)
        return REFERENCE.pack(ticket, key, len(frame))

    def collect(self, ticket: bytes) -> Offer | None:
        """Take a frame away to be sent; None if there is none, or not any more."""
        with self._lock:
            return self._offers.pop(ticket, None)

    def withdraw(self, peer: bytes) -> None:
        """Forget what lies here for a runner that is gone, or hears all anew."""
        with self._lock:
            gone = [t for t, offer in self._offers.items() if offer.peer == peer]
            for ticket in gone:
                del self._offers[ticket]

    # Brought by runners -------------------------------------------------------------

    def promise(self, ticket: bytes, size: int, now: float) -> bool:
        """Keep room for a frame that is about to be brought; say whether there is."""
        self.tidy(now)
        with self._lock:
            known = ticket in self._promised or ticket in self._brought
            taken = sum(len(frame) for frame, _ in self._brought.values())
            taken += sum(self._promised.values())
            full = len(self._brought) + len(self._promised) >= MOST_BROUGHT
            if known or full or taken + size > self._room:
                return False
            self._promised[ticket] = size
            return True

    def tidy(self, now: float) -> None:
        """Forget what was brought and nobody referred to for too long."""
        with self._lock:
            late = [t for t, (_, at) in self._brought.items() if now - at > KEPT_S]
            for old in late:
                del self._brought[old]

    def bring(self, ticket: bytes, frame: memoryview, now: float) -> None:
        """Take in what was promised."""
        with self._lock:
            del self._promised[ticket]
            self._brought[ticket] = (frame, now)

    def give_up(self, ticket: bytes) -> None:
        """Keep no room any more for what was promised and did not get through."""
        with self._lock:
            self._promised.pop(ticket, None)

    def take(self, reference: Frame, limit_bytes: int) -> memoryview:
        """Return what a message refers to, and forget it here.

        Args:
            reference: As in the message.
            limit_bytes: How large it may be.

        Raises:
            OSError: If there is no such frame, or too large a one.
        """
        if len(reference) != REFERENCE.size:
            msg = f"a reference of {len(reference)} bytes to a frame that was brought"
            raise FileNotFoundError(msg)
        ticket = REFERENCE.unpack(reference)[0]
        with self._lock:
            found = self._brought.pop(ticket, None)
        if found is None:
            msg = "a frame that is referred to was not brought"
            raise FileNotFoundError(msg)
        frame, _ = found
        if len(frame) > limit_bytes:
            msg = (
                f"a frame of {len(frame)} bytes where at most {limit_bytes} are allowed"
            )
            raise FileNotFoundError(msg)
        return frame

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._offers.clear()
            self._brought.clear()
