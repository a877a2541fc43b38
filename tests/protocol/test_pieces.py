"""Large frames in pieces, both ends joined in memory: what comes, and what is refused."""

import os
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.greetings import HELLO

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.monitor.pieces import Pieces as MonitorPieces
from gridmap.monitor.turns import MOST_UNDER_WAY
from gridmap.payload import memory
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import PIECE_BYTES, WINDOW_BYTES
from gridmap.runner.pieces import ASK_AGAIN_S, Pieces
from gridmap.transport.bulk.requests import numbered

LARGE = os.urandom(2 * WINDOW_BYTES + 17)
SMALL = os.urandom(100_000)
PEER = b"runner"
LIMIT = 8 * len(LARGE)


class Joined:
    """A runner and a monitor, and what is on its way between them.

    Attributes:
        refusal: How often either line is full, as a probability.
        woken: How often the runner was.
        under_way: The most bytes that ever were on their way at once.
        came: Bytes of pieces that came to the monitor.
    """

    def __init__(self, refusal: float = 0.0) -> None:
        self.random = random.Random(1)  # noqa: S311 - a line that is full now and then
        self.refusal = refusal
        self.up: deque[list[Any]] = deque()
        self.down: deque[list[Any]] = deque()
        self.woken = self.under_way = self.came = 0
        self.now = 0.0
        self.monitor = MonitorPieces(self._to_runner, LIMIT)
        self.runner = Pieces(self._to_monitor, self._wake)
        self.monitor.meet(PEER, HELLO)

    def _wake(self) -> None:
        self.woken += 1

    def _to_runner(self, peer: bytes, frames: Sequence[Any]) -> bool:
        assert peer == PEER
        return self._put(self.down, frames)

    def _to_monitor(self, frames: Sequence[Any]) -> bool:
        return self._put(self.up, frames)

    def _put(self, line: deque[list[Any]], frames: Sequence[Any]) -> bool:
        if self.random.random() < self.refusal:
            return False
        line.append(list(frames))
        under_way = sum(len(f) for sent in line for f in sent[1:])
        self.under_way = max(self.under_way, under_way)
        return True

    def step(self) -> bool:
        """Let one message arrive, and both ends look; tell whether any was there."""
        lines = [line for line in (self.up, self.down) if line]
        if lines:
            line = self.random.choice(lines)
            frames = line.popleft()
            if line is self.up:
                said: Any = codec.decode_from_runner(frames[0])
                self.came += sum(map(len, frames[1:]))
                self.monitor.hear(PEER, said, frames[1:], self.now)
            else:
                heard = codec.decode_from_monitor(frames[0])
                if isinstance(heard, m.Piece):
                    self.runner.came(heard, frames[1:], self.now)
                else:
                    assert isinstance(heard, m.Credit)
                    self.runner.allowed(heard, self.now)
        self.monitor.turn(self.now)
        self.runner.tick(self.now)
        return bool(lines or self.up or self.down)

    def settle(self) -> None:
        """Let everything arrive."""
        for _ in range(100_000):
            if not self.step() and not self.refusal:
                return
            if self.refusal and self.woken:
                return
        pytest.fail("it never ends")

    def bring(self, frames: list[bytes]) -> list[bytes]:
        """Have the runner begin to bring frames; return how they are referred to."""
        references = [self.runner.pack(frame) for frame in frames]
        assert self.runner.bring(self.now)
        return references


def here(joined: Joined, references: list[bytes]) -> bool:
    """Say whether the runner has what is referred to; have it fetched if not."""
    return joined.runner.here(references, LIMIT, joined.now)


@pytest.mark.parametrize("refusal", [0.0, 0.3])
def test_frames_are_brought(refusal: float) -> None:
    """Also where the lines are full now and then."""
    joined = Joined(refusal)
    frames = [LARGE, SMALL, LARGE[1:]]
    references = joined.bring(frames)
    joined.settle()
    joined.refusal = 0.0
    joined.settle()
    assert joined.runner.brought()
    for reference, frame in zip(references, frames, strict=True):
        assert joined.monitor.has(PEER, reference)
        assert joined.monitor.take(PEER, reference, LIMIT) == frame
        assert not joined.monitor.has(PEER, reference)
    assert joined.under_way <= WINDOW_BYTES


def test_what_is_brought_moves_from_its_beginning_until_it_is_given_up() -> None:
    """Others may have their turn before it has its first."""
    joined = Joined()
    joined.now = 5.0
    joined.bring([LARGE])
    assert joined.runner.moved == 5.0
    joined.now = 6.0
    joined.settle()
    assert joined.runner.moved == 6.0
    joined.runner.give_up()
    assert joined.runner.moved < 0.0


@pytest.mark.parametrize("refusal", [0.0, 0.3])
def test_frames_are_fetched(refusal: float) -> None:
    """Likewise; large ones are memory that is handed on as it is."""
    joined = Joined(refusal)
    frames = [LARGE, SMALL, LARGE[1:]]
    references = [joined.monitor.offer(PEER, frame) for frame in frames]
    assert not here(joined, references)
    joined.settle()
    assert here(joined, references)
    taken = [joined.runner.take(reference) for reference in references]
    assert taken == frames
    assert payload.encode(taken, "none", neighbour=True)[0] == b"\3\0\3"
    assert joined.under_way <= WINDOW_BYTES


def test_both_at_once() -> None:
    joined = Joined()
    offered, brought = joined.monitor.offer(PEER, LARGE), joined.bring([LARGE])
    assert not here(joined, [offered, offered])
    joined.settle()
    assert joined.woken == 2
    assert joined.monitor.take(PEER, brought[0], LIMIT) == LARGE
    assert here(joined, [offered])
    assert joined.runner.take(offered) == LARGE


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 5, 15])
def test_a_greeting_by_the_same_connection_loses_nothing(
    steps: int, *, forgotten: bool
) -> None:
    """What is under way goes on; what the monitor has forgotten begins anew."""
    joined = Joined()
    brought = joined.bring([LARGE, SMALL])
    for _ in range(steps):
        joined.step()
    joined.runner.greeted()
    joined.settle()  # what was said before arrives before
    if forgotten:
        joined.monitor.part(PEER)
    joined.monitor.meet(PEER, HELLO)
    known = joined.monitor.bringing(PEER)
    offered = joined.monitor.offer(PEER, LARGE)
    here(joined, [offered])
    assert not joined.up, "it waits for the answer"
    came = sum(map(len, joined.monitor._brought[PEER].frames.values())) if known else 0
    joined.came = 0
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.came == len(LARGE) + len(SMALL) - came
    assert joined.monitor.take(PEER, brought[0], LIMIT) == LARGE
    assert joined.monitor.take(PEER, brought[1], LIMIT) == SMALL
    assert here(joined, [offered])
    assert joined.runner.take(offered) == LARGE


@pytest.mark.parametrize("earlier", [(), (SMALL,)], ids=["nothing", "something"])
def test_an_answer_to_an_earlier_greeting_begins_nothing_anew(
    earlier: tuple[bytes, ...],
) -> None:
    """A monitor that was held up answers at once all greetings said meanwhile.

    What is brought after the first answer is in none of them, and may not be said twice.
    """
    joined = Joined()
    if earlier:
        joined.bring([*earlier])
    joined.step()
    joined.step()
    joined.runner.greeted()
    joined.runner.greeted()
    known = joined.monitor.bringing(PEER)
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.runner.brought()
    (reference,) = joined.bring([LARGE])
    joined.runner.welcomed(known)
    joined.settle()
    assert joined.monitor.take(PEER, reference, LIMIT) == LARGE


def test_another_connection_begins_all_anew() -> None:
    """What was offered by the one before is not there any more, and that is said."""
    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    joined.monitor.meet(PEER, msgspec.structs.replace(HELLO, connection=2))
    assert not here(joined, [offered])
    joined.settle()
    assert joined.woken == 1
    with pytest.raises(ConnectionError, match="any more"):
        here(joined, [offered])


def test_what_nobody_answers_is_asked_for_again() -> None:
    """An answer may be lost where the line is full."""
    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    here(joined, [offered])
    joined.step()
    joined.down.clear()
    joined.monitor.part(PEER)
    joined.settle()
    woken = joined.woken
    joined.now += ASK_AGAIN_S + 1
    joined.settle()
    assert (woken, joined.woken) == (0, 1)


def test_a_frame_is_not_here_before_the_monitor_knows() -> None:
    """It would be kept there, and count as under way, for good."""
    joined = Joined()
    references = [joined.monitor.offer(PEER, frame) for frame in (LARGE, SMALL)]
    here(joined, references)
    coming = joined.runner._coming
    assert coming is not None
    while sum(len(f) for sent in joined.down for f in sent[1:]) < coming.intake.left:
        joined.step()
    joined.refusal = 1.0
    while joined.down:
        joined.step()
    assert not coming.intake.left
    assert not here(joined, references)
    woken = joined.woken
    joined.refusal = 0.0
    joined.settle()
    assert (woken, joined.woken) == (0, 1)
    assert here(joined, references)
    assert not joined.monitor._offers
    assert not any(joined.monitor._awaited.values())


def test_a_frame_is_for_one_peer() -> None:
    joined = Joined()
    joined.monitor.offer(b"other", LARGE)
    foreign = joined.monitor.offer(PEER, SMALL)
    here(joined, [numbered(1, len(LARGE))])
    joined.settle()
    with pytest.raises(ConnectionError):
        here(joined, [numbered(1, len(LARGE))])
    here(joined, [foreign])
    joined.settle()
    assert joined.runner.take(foreign) == SMALL


def test_a_runner_without_descriptors_takes_frames_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> int:
        raise OSError(24, "Too many open files")

    joined = Joined()
    offered = joined.monitor.offer(PEER, LARGE)
    monkeypatch.setattr(memory, "memfd_create", none)
    here(joined, [offered])
    joined.settle()
    assert joined.runner.take(offered) == LARGE


# Peers that mean harm ---------------------------------------------------------------


def say(joined: Joined, message: Any, *frames: bytes) -> None:
    """Have the monitor hear what no honest runner says."""
    joined.monitor.hear(PEER, message, frames, joined.now)


PIECE = bytes(PIECE_BYTES)


@pytest.mark.parametrize(
    ("said", "frames"),
    [
        (m.Bring(first=9, sizes=(1,)), ()),
        (m.Piece(frame=1, at=2 * PIECE_BYTES), (PIECE,)),
        (m.Piece(frame=1, at=PIECE_BYTES), (PIECE[1:],)),
        (m.Piece(frame=1, at=PIECE_BYTES), (PIECE + b"x",)),
        (m.Piece(frame=1, at=PIECE_BYTES), ()),
        (m.Piece(frame=1, at=PIECE_BYTES), (PIECE, PIECE)),
        (m.Piece(frame=0, at=0), (PIECE,)),
        (m.Piece(frame=2, at=0), (PIECE,)),
        (m.Piece(frame=2**53, at=0), (PIECE,)),
        (m.Piece(frame=1, at=0), (PIECE,)),
        (m.Piece(frame=2, at=0), (b"",)),
    ],
    ids=[
        "another frame meanwhile",
        "not the next",
        "too short",
        "too long",
        "none",
        "two",
        "the frame before",
        "not yet",
        "unheard of",
        "twice",
        "nothing",
    ],
)
def test_pieces_that_may_not_come_break_the_protocol(
    said: Any, frames: tuple[bytes, ...]
) -> None:
    joined = Joined()
    say(joined, m.Bring(first=1, sizes=(3 * WINDOW_BYTES, PIECE_BYTES)))
    say(joined, m.Piece(frame=1, at=0), PIECE)
    with pytest.raises(RemoteProtocolError):
        say(joined, said, *frames)


def test_nobody_passes_by_others_whose_turn_it_is() -> None:
    """Who does not wait until he may send breaks the protocol."""
    joined = Joined()
    for number in range(MOST_UNDER_WAY // WINDOW_BYTES):
        peer = b"%d" % number
        joined.monitor._send = lambda *_: True
        bring = m.Bring(first=1, sizes=(2 * WINDOW_BYTES,))
        joined.monitor.hear(peer, bring, [], joined.now)
    say(joined, m.Bring(first=1, sizes=(WINDOW_BYTES,)))
    with pytest.raises(RemoteProtocolError, match="to 0 only"):
        say(joined, m.Piece(frame=1, at=0), PIECE)


@pytest.mark.parametrize("sizes", [(LIMIT + 1,), (LIMIT,) * 5], ids=["one", "all"])
def test_frames_that_are_too_large_are_not_begun(sizes: tuple[int, ...]) -> None:
    joined = Joined()
    with pytest.raises(RemoteProtocolError, match="too large"):
        say(joined, m.Bring(first=1, sizes=sizes))


def test_frames_that_are_not_large_are_not_begun() -> None:
    """One short message would have the monitor answer with 65,536."""
    joined = Joined()
    with pytest.raises(RemoteProtocolError, match="by themselves"):
        say(joined, m.Bring(first=1, sizes=(PIECE_BYTES, *[1] * 60_000)))
    assert not joined.down


def test_what_is_only_announced_takes_no_memory() -> None:
    """And what is brought and not referred to ends with the next that is brought."""
    joined = Joined()
    say(joined, m.Bring(first=1, sizes=(LIMIT,) * 4))
    assert not joined.monitor._brought[PEER].frames
    joined.monitor.part(PEER)
    joined.down.clear()
    first = joined.bring([LARGE, SMALL])
    joined.settle()
    (second,) = joined.bring([SMALL])
    joined.settle()
    assert not any(joined.monitor.has(PEER, reference) for reference in first)
    assert joined.monitor.take(PEER, second, LIMIT) == SMALL


def test_what_no_message_took_ends_with_that_message() -> None:
    """But what still comes is of one that is to follow."""
    joined = Joined()
    (reference,) = joined.bring([LARGE])
    for _ in range(5):
        joined.step()
    joined.monitor.forget_brought(PEER)
    joined.settle()
    assert joined.monitor.has(PEER, reference)
    joined.monitor.forget_brought(PEER)
    assert not joined.monitor._brought
    (reference,) = joined.bring([SMALL])
    joined.settle()
    assert joined.monitor.take(PEER, reference, LIMIT) == SMALL


def test_a_frame_that_is_not_whole_is_not_there() -> None:
    joined = Joined()
    (reference,) = joined.bring([LARGE])
    for _ in range(5):
        joined.step()
    assert not joined.monitor.has(PEER, reference)
    with pytest.raises(OSError, match="not brought"):
        joined.monitor.take(PEER, reference, LIMIT)


def test_a_frame_larger_than_its_message_may_be_is_not_given_out() -> None:
    joined = Joined()
    (reference,) = joined.bring([LARGE])
    joined.settle()
    with pytest.raises(OSError, match="allowed"):
        joined.monitor.take(PEER, reference, len(LARGE) - 1)


@pytest.mark.parametrize(
    "credit",
    [(WINDOW_BYTES + PIECE_BYTES, 0), (0, 1), (2**53, 0)],
    ids=["more than a window", "come before it was sent", "beyond its end"],
)
def test_nobody_is_sent_more_than_a_window(credit: tuple[int, int]) -> None:
    joined = Joined()
    joined.monitor.offer(PEER, LARGE)
    until, came = credit
    with pytest.raises(RemoteProtocolError):
        say(joined, m.Credit(frame=1, came=came, until=max(came, until)))
    assert not joined.down


def test_nobody_is_sent_a_window_of_each_of_many_frames() -> None:
    joined = Joined()
    for _ in range(3):
        joined.monitor.offer(PEER, LARGE)
    for number in (1, 2):
        say(joined, m.Credit(frame=number, came=0, until=WINDOW_BYTES))
    with pytest.raises(RemoteProtocolError, match="at once"):
        say(joined, m.Credit(frame=3, came=0, until=WINDOW_BYTES))
    assert sum(len(f) for sent in joined.down for f in sent[1:]) <= 2 * WINDOW_BYTES


def test_a_frame_that_was_taken_does_not_come_back_empty() -> None:
    joined = Joined()
    (reference,) = joined.bring([LARGE])
    joined.settle()
    joined.monitor.take(PEER, reference, LIMIT)
    with pytest.raises(RemoteProtocolError):
        say(joined, m.Piece(frame=1, at=len(LARGE)), b"")


def test_nothing_is_kept_of_a_peer_that_is_gone() -> None:
    joined = Joined()
    joined.monitor.offer(PEER, LARGE)
    joined.bring([LARGE])
    for _ in range(7):
        joined.step()
    monitor = joined.monitor
    monitor.part(PEER)
    turns = monitor._turns
    kept = [monitor._offers, monitor._offered, monitor._brought, monitor._lives]
    assert not any([*kept, monitor._awaited, turns._waiting, turns._under_way])
    say(joined, m.Piece(frame=1, at=0), PIECE)
    assert not monitor._brought
