"""Large frames that travel in pieces, over runners' own connections."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap import payload
from gridmap.concealing import Concealing
from gridmap.connection import MESSAGE_PER_FRAME
from gridmap.errors import RemoteProtocolError
from gridmap.monitor.turns import Turns
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import PIECE_BYTES, WINDOW_BYTES, Intake, Outflow
from gridmap.transport.bulk.requests import number_of, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.monitor.turns import Flow
    from gridmap.payload import Frame

_MOST_AWAITED: Final = 2 * WINDOW_BYTES
"""What a peer may let be sent to it: a window, and as much again where it could not say
in time that some of that has come."""


class _Offer(Concealing, msgspec.Struct, frozen=True):
    """A frame that a peer may have, once."""

    concealed = frozenset({"frame"})

    peer: bytes
    frame: memoryview
    flow: Outflow


class _Brought(Concealing, msgspec.Struct):
    """The large frames of a peer's next message, those that came and those to come."""

    concealed = frozenset({"frames"})

    first: int
    intake: Intake
    frames: dict[int, bytearray] = {}
    whole: set[int] = set()


class Pieces:
    """What is under way so. Used in the monitor's thread alone."""

    def __init__(
        self,
        send: Callable[[bytes, Sequence[bytes | memoryview]], bool],
        frame_bytes: int,
    ) -> None:
        """Begin with nothing.

        Args:
            send: Sends a message to a peer; tells whether it is on its way.
            frame_bytes: How large a frame may be that is brought; those of a message
                may be `MESSAGE_PER_FRAME` times as large together.
        """
        self._send, self._frame_bytes = send, frame_bytes
        self._message_bytes = MESSAGE_PER_FRAME * frame_bytes
        self._lives: dict[bytes, tuple[str, int]] = {}
        self._numbers = itertools.count(1)
        self._offers: dict[int, _Offer] = {}
        self._offered: dict[bytes, set[int]] = {}
        self._awaited: Counter[bytes] = Counter()
        self._brought: dict[bytes, _Brought] = {}
        self._turns = Turns()
        self._refused: list[Flow] = []

    # Peers --------------------------------------------------------------------------

    def meet(self, peer: bytes, hello: m.Hello) -> None:
        """Take in that a peer says hello: by another connection, it begins all anew."""
        life = (hello.nonce, hello.connection)
        if self._lives.get(peer) != life:
            self.part(peer)
            self._lives[peer] = life

    def bringing(self, peer: bytes) -> int:
        """Return the number of the first frame that a peer is bringing; 0 if none."""
        brought = self._brought.get(peer)
        return 0 if brought is None else brought.first

    def part(self, peer: bytes) -> None:
        """A peer is gone, or will hear all anew."""
        self._lives.pop(peer, None)
        self._awaited.pop(peer, None)
        if self._brought.pop(peer, None) is not None:
            self._turns.leave(peer)
        for number in self._offered.pop(peer, ()):
            del self._offers[number]
            self._turns.leave(number)

    def clear(self) -> None:
        """The run is over."""
        for peer in {*self._lives, *self._offered, *self._brought}:
            self.part(peer)

    # Frames -------------------------------------------------------------------------

    def offer(self, peer: bytes, frame: Frame) -> bytes:
        """Put a frame here for a peer; return how a message refers to it.

        Args:
            peer: Who may have it, once.
            frame: Not to be changed by anybody.
        """
        number = next(self._numbers)
        view = memoryview(frame).cast("B")
        self._offers[number] = _Offer(peer, view, Outflow(len(view)))
        self._offered.setdefault(peer, set()).add(number)
        return numbered(number, len(view))

    def withdraw(self, reference: Frame) -> None:
        """Forget a frame that lies here for a peer."""
        offer = self._offers.get(number := number_of(reference) or 0)
        if offer is not None:
            self._drop(offer.peer, number)

    def _drop(self, peer: bytes, number: int) -> None:
        del self._offers[number]
        self._offered[peer].discard(number)
        self._turns.leave(number)

    def has(self, peer: bytes, reference: Frame) -> bool:
        """Say whether a frame is here that a peer's message refers to."""
        brought, number = self._brought.get(peer), number_of(reference)
        if brought is None or number is None:
            return False
        return number - brought.first in brought.whole

    def take(self, peer: bytes, reference: Frame, limit_bytes: int) -> memoryview:
        """Return what is here, writable, and forget it.

        Raises:
            OSError: If it is not, or larger than allowed.
        """
        brought, number = self._brought.get(peer), number_of(reference)
        if brought is None or number is None or not self.has(peer, reference):
            msg = "a frame that is referred to was not brought"
            raise FileNotFoundError(msg)
        brought.whole.discard(number - brought.first)
        frame = brought.frames.pop(number - brought.first)
        if len(frame) > limit_bytes:
            msg = f"a frame of {len(frame)} bytes where {limit_bytes} are allowed"
            raise FileNotFoundError(msg)
        return memoryview(frame)

    def forget_brought(self, peer: bytes) -> None:
        """Forget what is here of a peer's, whose message with all references was heard.

        It may not have been opened: what nobody wants any more is not.
        """
        brought = self._brought.get(peer)
        if brought is not None and not brought.intake.left:
            del self._brought[peer]
            self._turns.leave(peer)

    # Hearing ------------------------------------------------------------------------

    def hear(
        self,
        peer: bytes,
        message: m.Bring | m.Piece | m.Credit,
        frames: Sequence[Frame],
        now: float,
    ) -> None:
        """Take in what a peer says of frames, and let go on who may.

        Raises:
            RemoteProtocolError: If it may not be said so.
        """
        match message:
            case m.Bring():
                self._begin(peer, message)
            case m.Piece():
                self._gather(peer, message, frames, now)
            case m.Credit():
                self._go_on(peer, message, now)
        self.turn(now)

    def _begin(self, peer: bytes, bring: m.Bring) -> None:
        before = self._brought.get(peer)
        if before is not None and before.intake.left:
            msg = "frames are to be brought before the others were"
            raise RemoteProtocolError(msg)
        largest, together = max(bring.sizes), sum(bring.sizes)
        if largest > self._frame_bytes or together > self._message_bytes:
            msg = f"frames of {together} bytes, one of {largest}, are too large"
            raise RemoteProtocolError(msg)
        if min(bring.sizes) < payload.LEAST_OF_MANY:  # each of them is to be answered
            msg = f"frames of {min(bring.sizes)} bytes are brought by themselves"
            raise RemoteProtocolError(msg)
        self._brought[peer] = _Brought(bring.first, Intake(bring.sizes))
        self._turns.wait(peer)

    def _gather(
        self, peer: bytes, piece: m.Piece, frames: Sequence[Frame], now: float
    ) -> None:
        if len(frames) != 1:
            msg = f"a piece of {len(frames)} frames"
            raise RemoteProtocolError(msg)
        brought = self._brought.get(peer)
        if brought is None:
            return  # sent before it has to greet anew
        place = piece.frame - brought.first
        if brought.intake.take(place, piece.at, len(frames[0])):
            brought.whole.add(place)
        # Grown by what has come: who only tells of a large frame costs nothing.
        brought.frames.setdefault(place, bytearray()).extend(frames[0])
        brought.intake.tell(place)
        self._turns.moved(peer, brought.intake.under_way, now)
        if brought.intake.allowed:
            self._tell(peer, brought)
        else:
            self._turns.wait(peer)

    def _go_on(self, peer: bytes, credit: m.Credit, now: float) -> None:
        number = credit.frame
        offer = self._offers.get(number)
        if offer is None or offer.peer != peer:
            if credit.came < credit.until:
                gone = codec.encode(m.Piece(frame=number, at=0))
                self._send(peer, [gone, b""])
            return
        before = offer.flow.awaited
        offer.flow.allow(credit.came, credit.until)
        self._awaited[peer] += offer.flow.awaited - before
        if self._awaited[peer] > _MOST_AWAITED:
            msg = f"{self._awaited[peer]} bytes of frames are wanted at once"
            raise RemoteProtocolError(msg)
        self._turns.moved(number, offer.flow.under_way, now)
        if offer.flow.came == offer.flow.size:
            self._drop(peer, number)
        elif offer.flow.next():
            self._turns.wait(number)

    # Saying -------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Let go on who may, one piece each in turn. To be called now and then."""
        for flow in self._refused:
            self._turns.wait(flow)
        self._refused.clear()
        while (first := self._turns.next(now)) is not None:
            if isinstance(first, int):
                self._send_piece(first, now)
            else:
                self._allow_piece(first, now)

    def _send_piece(self, number: int, now: float) -> None:
        offer = self._offers.get(number)
        if offer is None:
            return
        flow, at = offer.flow, offer.flow.sent
        if not (length := flow.next()):
            return
        head = codec.encode(m.Piece(frame=number, at=at))
        if not self._send(offer.peer, [head, offer.frame[at : at + length]]):
            self._refused.append(number)
            return
        flow.went(length)
        self._turns.moved(number, flow.under_way, now)
        if flow.next():
            self._turns.wait(number)

    def _allow_piece(self, peer: bytes, now: float) -> None:
        brought = self._brought.get(peer)
        if brought is None:
            return
        intake = brought.intake
        intake.allow(min(WINDOW_BYTES, intake.under_way + PIECE_BYTES))
        if not self._tell(peer, brought):
            return
        self._turns.moved(peer, intake.under_way, now)
        if not intake.allowed and intake.under_way + PIECE_BYTES <= WINDOW_BYTES:
            self._turns.wait(peer)

    def _tell(self, peer: bytes, brought: _Brought) -> bool:
        """Say how far frames have come and may be sent; tell whether that is said."""
        while (due := brought.intake.due()) is not None:
            place, came, until = due
            credit = m.Credit(frame=brought.first + place, came=came, until=until)
            if not self._send(peer, [codec.encode(credit)]):
                self._refused.append(peer)
                return False
            brought.intake.said(place)
        return True
