"""What a watched runner shows: all of it if it is little, never too much."""

from hypothesis import given
from hypothesis import strategies as st

from gridmap.protocol import messages as m
from gridmap.runner.live import MOST_BYTES, MOST_PIECES, Live

WATCH = m.Watch(period=0.5, output=True)


def said(live: Live, now: float, *, last: bool = False) -> list[m.Live]:
    return list(live.messages(None, None, now, last=last))


def test_without_a_watcher_nothing_is_said_or_kept() -> None:
    """That is what makes it free."""
    live = Live()
    live.printed(1, b"x")
    progress = m.Progress(done=1)
    assert not list(live.messages(1, progress, 1.0))
    live.watch(WATCH)
    assert not said(live, 2.0)
    live.printed(1, b"y")
    live.watch(m.Watch(period=0.0))
    assert not said(live, 3.0, last=True)


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=8)), max_size=30))
def test_what_is_printed_arrives_whole(printed: list[tuple[int, str]]) -> None:
    """In order, by job, wherever its bytes were cut."""
    live = Live()
    live.watch(WATCH)
    for job, text in printed:
        for byte in text.encode():
            live.printed(job, bytes([byte]))
    pieces = [
        piece for message in said(live, 1.0, last=True) for piece in message.printed
    ]
    assert "".join(piece.text for piece in pieces) == "".join(t for _, t in printed)
    for job in range(4):
        own = "".join(piece.text for piece in pieces if piece.job == job)
        assert own == "".join(text for number, text in printed if number == job)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9000)), max_size=40),
    st.sampled_from([b"x", "\u00e9".encode()]),
)
def test_too_much_is_cut_and_counted(
    printed: list[tuple[int, int]], character: bytes
) -> None:
    """A message is bounded, and no byte is missing that is not counted."""
    live = Live()
    live.watch(WATCH)
    total = 0
    for job, count in printed:
        live.printed(job, character * count)
        total += count * len(character)
    for message in said(live, 1.0, last=True):
        shown = sum(len(piece.text.encode()) for piece in message.printed)
        assert shown <= MOST_BYTES + 3 * MOST_PIECES
        assert len(message.printed) <= MOST_PIECES + 1
        assert shown + message.lost >= total
        total = 0
    assert total == 0


def test_no_more_than_one_message_a_period() -> None:
    """The first at once, the next when its time has come."""
    live = Live()
    live.watch(WATCH)
    live.printed(1, b"a")
    assert live.pause(10.0) == 0.0
    assert said(live, 10.0)
    live.printed(1, b"b")
    assert not said(live, 10.2)
    assert abs(live.pause(10.2) - 0.3) < 1e-9
    assert said(live, 10.5) == [m.Live(printed=(m.Printed(job=1, text="b"),))]
    assert live.pause(11.0) == float("inf")


def test_progress_is_said_when_it_is_news() -> None:
    """Once, and again to one who comes later."""
    live = Live()
    live.watch(m.Watch(period=0.5))
    half = m.Progress(done=1, total=2)
    news = [m.Live(job=3, progress=half)]
    assert list(live.messages(3, half, 1.0)) == news
    assert not list(live.messages(3, half, 2.0))
    assert list(live.messages(4, half, 3.0))
    live.watch(m.Watch(period=0.5))
    assert list(live.messages(4, half, 4.0)) == [m.Live(job=4, progress=half)]
