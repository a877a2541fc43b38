"""The rules of frames in pieces, with either side honest and with neither."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import RemoteProtocolError
from gridmap.protocol.pieces import PIECE_BYTES, WINDOW_BYTES, Intake, Outflow

SIZES = st.lists(
    st.integers(1, 3 * WINDOW_BYTES)
    | st.sampled_from([1, PIECE_BYTES, WINDOW_BYTES, WINDOW_BYTES + 1]),
    min_size=1,
    max_size=12,
)


@given(sizes=SIZES, data=st.data())
def test_all_of_it_comes_and_never_is_more_than_a_window_under_way(
    sizes: list[int], data: st.DataObject
) -> None:
    """In whatever order either side gets to it."""
    intake, flows = Intake(sizes), [Outflow(size) for size in sizes]
    credits_: deque[tuple[int, int, int]] = deque()
    pieces: deque[tuple[int, int, int]] = deque()
    came = [0] * len(sizes)
    intake.allow()
    while intake.left:
        ways = []
        if intake.due() is not None:
            ways.append("say")
        if credits_:
            ways.append("hear")
        ways += [str(at) for at, flow in enumerate(flows) if flow.next()]
        if pieces:
            ways.append("take")
        way = data.draw(st.sampled_from(ways))
        if way == "say":
            due = intake.due()
            assert due is not None
            credits_.append(due)
            intake.said(due[0])
        elif way == "hear":
            place, received, until = credits_.popleft()
            flows[place].allow(received, until)
        elif way == "take":
            place, at, length = pieces.popleft()
            assert intake.take(place, at, length) == (at + length == sizes[place])
            came[place] += length
            intake.tell(place)
            intake.allow()
        else:
            flow = flows[int(way)]
            length = flow.next()
            pieces.append((int(way), flow.sent, length))
            flow.went(length)
        assert sum(length for _, _, length in pieces) <= intake.under_way
        assert intake.under_way <= WINDOW_BYTES
    assert came == sizes
    assert intake.allowed
    while (due := intake.due()) is not None:
        credits_.append(due)
        intake.said(due[0])
    for place, received, until in credits_:
        flows[place].allow(received, until)
    assert not any(flow.under_way or flow.next() for flow in flows)


@given(
    sizes=SIZES,
    said=st.lists(
        st.tuples(
            st.integers(-2, 13),
            st.integers(0, 8).map(PIECE_BYTES.__mul__) | st.integers(0, WINDOW_BYTES),
            st.sampled_from([0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1]),
        ),
        max_size=30,
    ),
)
def test_pieces_that_were_not_to_come_change_nothing(
    sizes: list[int], said: list[tuple[int, int, int]]
) -> None:
    """Out of order, of a wrong length or frame, or beyond what was allowed."""
    intake, came = Intake(sizes), [0] * len(sizes)
    intake.allow()
    for place, at, length in said:
        left = intake.left
        try:
            intake.take(place, at, length)
        except RemoteProtocolError:
            assert intake.left == left
        else:
            assert at == came[place]
            assert length == min(PIECE_BYTES, sizes[place] - at)
            came[place] += length
            assert intake.left == left - length
    assert sum(came) <= WINDOW_BYTES


@given(
    size=st.integers(1, 3 * WINDOW_BYTES),
    said=st.lists(
        st.tuples(
            st.integers(0, 30).map(PIECE_BYTES.__mul__) | st.integers(0, 10),
            st.integers(0, 30).map(PIECE_BYTES.__mul__)
            | st.integers(0, 4 * WINDOW_BYTES),
        ),
        max_size=20,
    ),
)
def test_no_credit_makes_a_sender_send_more_than_a_window(
    size: int, said: list[tuple[int, int]]
) -> None:
    flow = Outflow(size)
    for came, until in said:
        before = flow.came
        try:
            flow.allow(came, until)
        except RemoteProtocolError:
            assert flow.came == before
        while length := flow.next():
            flow.went(length)
        assert flow.under_way <= WINDOW_BYTES
        assert flow.sent <= size


def test_a_frame_may_be_sent_piece_by_piece() -> None:
    """Where the receiver lets no more be under way than that."""
    intake = Intake([2 * PIECE_BYTES + 1])
    assert not intake.allow(PIECE_BYTES - 1)
    steps = []
    while not intake.allowed:
        assert intake.allow(intake.under_way + PIECE_BYTES)
        steps.append(intake.due())
        intake.said(0)
    assert steps == [(0, 0, n) for n in (PIECE_BYTES, 2 * PIECE_BYTES)] + [
        (0, 0, 2 * PIECE_BYTES + 1)
    ]


def test_what_has_not_come_is_asked_for_again() -> None:
    """And nothing of frames that have, or of which nothing was asked yet."""
    intake = Intake([1, PIECE_BYTES + 1, 3 * WINDOW_BYTES, 1])
    intake.allow()
    while (due := intake.due()) is not None:
        intake.said(due[0])
    intake.take(0, 0, 1)
    intake.take(1, 0, PIECE_BYTES)
    intake.tell_again()
    again = []
    while (due := intake.due()) is not None:
        again.append(due)
        intake.said(due[0])
    assert [(place, came) for place, came, _ in again] == [(1, PIECE_BYTES), (2, 0)]


@pytest.mark.parametrize("place", [-1, 1])
def test_a_frame_that_is_none_has_no_pieces(place: int) -> None:
    intake = Intake([1])
    intake.allow()
    with pytest.raises(RemoteProtocolError, match="not to be sent"):
        intake.take(place, 0, 1)
