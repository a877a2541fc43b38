"""Who may have more under way, where many want to."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.monitor.turns import STALLED_S, Flow, Turns


@given(
    rounds=st.lists(st.sampled_from([b"a", b"b", b"c", 1, 2, 3]), max_size=60),
    most=st.integers(1, 5),
)
def test_no_more_is_under_way_than_may_be_and_nobody_is_passed_over(
    rounds: list[Flow], most: int
) -> None:
    """Each asks again as soon as its piece has come; each piece is of one byte."""
    turns, under_way = Turns(most), dict[Flow, int]()
    waiting: list[Flow] = []
    for flow in rounds:
        if flow not in waiting:
            waiting.append(flow)
        turns.wait(flow)
        if under_way.get(flow):
            under_way[flow] -= 1
            turns.moved(flow, under_way[flow], 0.0)
        while (found := turns.next(0.0)) is not None:
            assert found == waiting.pop(0)
            under_way[found] = under_way.get(found, 0) + 1
            turns.moved(found, under_way[found], 0.0)
        assert sum(under_way.values()) <= most
        assert not waiting or sum(under_way.values()) == most


def test_those_who_are_held_up_do_not_hold_up_others() -> None:
    """What stands for long is not what keeps the line busy."""
    turns = Turns(2)
    turns.moved(b"stands", 2, 0.0)
    turns.wait(b"waits")
    assert turns.next(STALLED_S - 0.1) is None
    assert turns.next(STALLED_S + 0.1) == b"waits"


def test_who_goes_on_after_being_held_up_counts_again() -> None:
    """With what is under way then, and no more than that."""
    turns = Turns(2)
    turns.moved(b"stood", 2, 0.0)
    turns.wait(b"waits")
    assert turns.next(STALLED_S) == b"waits"
    turns.moved(b"stood", 1, STALLED_S)
    turns.wait(b"waits")
    assert turns.next(STALLED_S) == b"waits"
    turns.moved(b"waits", 1, STALLED_S)
    turns.wait(b"waits")
    assert turns.next(STALLED_S) is None


@given(
    moves=st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 1.0, 6.0])
        ),
        max_size=30,
    )
)
def test_what_counts_is_what_has_moved_of_late(
    moves: list[tuple[int, int, float]],
) -> None:
    turns, known, now = Turns(4), dict[int, tuple[int, float]](), 0.0
    for flow, under_way, later in moves:
        now += later
        turns.moved(flow, under_way, now)
        known[flow] = under_way, now
        turns.wait(9)
        counted = sum(size for size, at in known.values() if now - at < STALLED_S)
        assert turns.next(now) == (None if counted >= 4 else 9)


def test_who_has_left_has_nothing_under_way_and_waits_for_nothing() -> None:
    turns = Turns(1)
    turns.moved(b"gone", 1, 0.0)
    turns.wait(b"gone")
    turns.wait(2)
    turns.leave(b"gone")
    assert turns.next(0.0) == 2
    assert turns.next(0.0) is None
