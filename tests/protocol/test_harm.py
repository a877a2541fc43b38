"""Large frames in pieces, and what is refused of peers that mean harm."""

from typing import Any

import pytest
from tests.protocol.joined import LARGE, LIMIT, PEER, SMALL, Joined

from gridmap.errors import RemoteProtocolError
from gridmap.monitor.turns import MOST_UNDER_WAY
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import PIECE_BYTES, WINDOW_BYTES


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
