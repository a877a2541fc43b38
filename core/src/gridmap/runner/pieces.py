"""A runner's large frames that travel in pieces, over its one connection.

Those that messages refer to are asked for, those it brings are told of first, and sent
as far as the monitor lets them. All that goes between them is said and heard meanwhile.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from gridmap.errors import RemoteProtocolError
from gridmap.payload import held, memory
from gridmap.payload.gathering import Gathering
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import Intake, Outflow
from gridmap.transport.bulk.requests import REFERENCE, number_of, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.payload import Frame

ASK_AGAIN_S: Final = 10.0
"""After so long without a piece it is asked again: the monitor may have forgotten."""


class _Coming:
    """Frames of one message that are asked for."""

    def __init__(self, wanted: dict[int, int], now: float) -> None:
        self.frames: dict[int, Frame] = {}
        self.intake = Intake(list(wanted.values()))
        self.lost = False
        self.moved_at = now
        self.wanted = wanted
        self._numbers = list(wanted)
        self._places = {number: place for place, number in enumerate(wanted)}
        self._begun: dict[int, Gathering | bytearray] = {}

    def take(self, number: int, at: int, piece: Frame) -> None:
        """Take in a piece.

        Raises:
            RemoteProtocolError: If it is not the next one of its frame.
        """
        place = self._places[number]
        whole = self.intake.take(place, at, len(piece))
        self.intake.tell(place)
        if number not in self._begun:
            self._begun[number] = _room(self.wanted[number])
        room = self._begun[number]
        if isinstance(room, bytearray):
            room += piece
        else:
            room.add(piece)
        if whole:
            del self._begun[number]
            self.frames[number] = _filled(room)

    def due(self) -> m.Credit | None:
        """Return what is to be said next."""
        due = self.intake.due()
        if due is None:
            return None
        place, came, until = due
        return m.Credit(frame=self._numbers[place], came=came, until=until)

    def said(self, credit: m.Credit) -> None:
        """What was `due` was said."""
        self.intake.said(self._places[credit.frame])

    def close(self) -> None:
        """Leave nothing behind."""
        for room in self._begun.values():
            if not isinstance(room, bytearray):
                room.close()
        self._begun.clear()


class _Going:
    """Frames of one message that are brought.

    Attributes:
        told: Whether the monitor was told of them.
        news: Whether that was since the last greeting, whose answer does not count them.
    """

    def __init__(self, frames: list[tuple[int, memoryview]]) -> None:
        self.frames = frames
        self.news = False
        self.begin()

    def begin(self) -> None:
        """Begin, or begin anew."""
        self.told = False
        self.flows = {number: Outflow(len(frame)) for number, frame in self.frames}
        self._left = list(reversed(self.frames))

    def next(self) -> tuple[int, memoryview, Outflow] | None:
        """Return the frame that is to go on; None if all were sent."""
        while self._left:
            number, frame = self._left[-1]
            flow = self.flows[number]
            if flow.sent < flow.size:
                return number, frame, flow
            self._left.pop()
        return None


class Pieces:
    """A runner's end. Used in the runner's thread.

    Attributes:
        moved: When it began to bring something, or the monitor last said that some of
            it has come, or may be sent.
    """

    def __init__(
        self, send: Callable[[Sequence[Any]], bool], wake: Callable[[], None]
    ) -> None:
        """Begin with nothing under way.

        Args:
            send: Sends a message; tells whether it is on its way.
            wake: Called when all that was under way has come, or gone, or is lost.
        """
        self._send, self._wake = send, wake
        self._numbers = itertools.count(1)
        self._coming: _Coming | None = None
        self._going: _Going | None = None
        self._packed: list[tuple[int, memoryview]] = []
        self.moved = -math.inf
        self._greeted = False

    def give_up(self) -> None:
        """Forget what is under way: the monitor will be told, or tell, all again."""
        if self._coming is not None:
            self._coming.close()
        self._coming = self._going = None
        self._packed.clear()
        self.moved = -math.inf

    def greeted(self) -> None:
        """A greeting was said: say nothing more before it is answered.

        So both ends know what either knows when it is.
        """
        self._greeted = True
        if self._going is not None:
            self._going.news = False

    def welcomed(self, bringing: int) -> None:
        """Go on with what was under way, as far as the monitor knows of it.

        A monitor that was held up answers all greetings said meanwhile, so what was
        begun after the first answer may not be in the next.

        Args:
            bringing: The first of the frames that it is having brought; 0: of none.
        """
        self._greeted = False
        if self._coming is not None:
            self._coming.intake.tell_again()
        going = self._going
        if going is not None and not going.news and going.frames[0][0] != bringing:
            going.begin()
        self._say()

    # Fetching -----------------------------------------------------------------------

    def here(self, references: Sequence[Frame], limit_bytes: int, now: float) -> bool:
        """Say whether frames that a message refers to are here; ask for them if not.

        Args:
            references: All of the message's to frames in pieces; one that stands there
                several times is asked for once.
            limit_bytes: How large they may be together.
            now: The present.

        Returns:
            Whether they are; if not, ask again when woken.

        Raises:
            RemoteProtocolError: If they are too large.
            OSError: If the monitor does not have them any more.
        """
        if not references:
            return True
        wanted = _wanted(references, limit_bytes)
        coming = self._coming
        if coming is not None and coming.lost:
            coming.close()
            self._coming = None
            msg = "the monitor does not have it any more"
            raise ConnectionError(msg)
        if coming is not None and coming.intake.over:
            if coming.frames.keys() >= wanted.keys():
                return True
            coming = None  # of a message that was damaged
        if coming is None:
            self._coming = coming = _Coming(wanted, now)
            coming.intake.allow()
            self._say()
        return False

    def take(self, reference: Frame) -> Frame:
        """Return a frame that is `here`."""
        if self._coming is None:
            msg = "a large frame is taken that was not fetched"
            raise RemoteProtocolError(msg)
        frame = self._coming.frames.pop(_number(reference))
        if not self._coming.frames:
            self._coming = None
        return frame

    @property
    def fetched(self) -> bool:
        """Whether what was awaited is here, or lost.

        The monitor keeps it until it has heard that it is.
        """
        coming = self._coming
        return coming is None or coming.lost or coming.intake.over

    def came(self, piece: m.Piece, frames: Sequence[Frame], now: float) -> None:
        """Take in a piece; one without bytes says that there is no such frame."""
        coming = self._coming
        if coming is None or coming.lost or piece.frame not in coming.wanted:
            return
        try:
            (part,) = frames
            if len(part):
                coming.take(piece.frame, piece.at, part)
            else:
                coming.lost = True
        except (RemoteProtocolError, OSError, ValueError):
            coming.lost = True
        coming.moved_at = now
        if coming.lost:
            self._wake()
        else:
            coming.intake.allow()
        self._say()

    # Bringing -----------------------------------------------------------------------

    def pack(self, frame: Frame) -> bytes:
        """Take a frame to be brought by `bring`; return how to refer to it."""
        number, view = next(self._numbers), memoryview(frame).cast("B")
        self._packed.append((number, view))
        return numbered(number, len(view))

    def bring(self, now: float) -> bool:
        """Begin to bring what was packed; say whether there is anything."""
        packed, self._packed = self._packed, []
        if packed:
            self.moved = now
            self._going = _Going(packed)
            self._say()
        return bool(packed)

    def brought(self) -> bool:
        """Say whether all that was packed has gone."""
        return self._going is None

    def allowed(self, credit: m.Credit, now: float) -> None:
        """Take in how far a frame has come, and may be sent.

        Raises:
            RemoteProtocolError: If that cannot be.
        """
        self.moved = now
        if self._going is not None and credit.frame in self._going.flows:
            self._going.flows[credit.frame].allow(credit.came, credit.until)
            self._say()

    # Both ---------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Say what could not be said before. To be called now and then."""
        coming = self._coming
        if coming is not None and now - coming.moved_at > ASK_AGAIN_S:
            coming.moved_at = now
            coming.intake.tell_again()
        self._say()

    def _say(self) -> None:
        """Say what may be said now."""
        if self._greeted:
            return
        coming = self._coming
        while coming is not None and (credit := coming.due()) is not None:
            if not self._send([codec.encode(credit)]):
                return
            coming.said(credit)
            if coming.intake.over:
                self._wake()
        going = self._going
        if going is None:
            return
        if not going.told:
            sizes = tuple(len(frame) for _, frame in going.frames)
            bring = m.Bring(first=going.frames[0][0], sizes=sizes)
            going.told = going.news = self._send([codec.encode(bring)])
        while going.told and (next_ := going.next()) is not None:
            number, frame, flow = next_
            length, at = flow.next(), flow.sent
            head = codec.encode(m.Piece(frame=number, at=at))
            if not length or not self._send([head, frame[at : at + length]]):
                return
            flow.went(length)
        if going.told:
            self._going = None
            self._wake()


def _room(size: int) -> Gathering | bytearray:
    """Return where to put a frame: memory to be handed on, where that pays."""
    if size >= memory.LEAST_BYTES:
        try:
            return Gathering(size)
        except OSError:  # no descriptor to be had
            pass
    return bytearray()


def _filled(room: Gathering | bytearray) -> Frame:
    """Return the frame that is there whole."""
    return room if isinstance(room, bytearray) else held.relay(room.seal())


def _wanted(references: Sequence[Frame], limit_bytes: int) -> dict[int, int]:
    wanted = {}
    for reference in references:
        _, _, size = REFERENCE.unpack(reference)
        wanted[_number(reference)] = size
    if sum(wanted.values()) > limit_bytes or not all(wanted.values()):
        msg = f"frames of {sum(wanted.values())} bytes, where {limit_bytes} may come"
        raise RemoteProtocolError(msg)
    return wanted


def _number(reference: Frame) -> int:
    number = number_of(reference)
    if number is None:
        msg = "a reference to a frame that does not travel in pieces"
        raise RemoteProtocolError(msg)
    return number
