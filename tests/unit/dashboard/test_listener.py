"""What a job prints becomes lines that a page may show, however much it is."""

import pytest

from gridmap_dashboard.listener import MOST_LINES, Transcript


def test_pieces_become_lines() -> None:
    """In whatever pieces they come; the last one may be unfinished."""
    transcript = Transcript()
    for piece in ("one\ntw", "o\n", "thr"):
        transcript.add(piece)
    taken = transcript.take()
    assert taken == {"lines": ["one", "two"], "begun": "thr", "lost": 0}
    assert transcript.take() is None
    transcript.add("ee\n")
    assert transcript.take() == {"lines": ["three"], "begun": "", "lost": 0}


def test_the_first_answer_says_that_somebody_listens() -> None:
    """Though nothing was printed yet."""
    transcript = Transcript()
    assert transcript.take() == {"lines": [], "begun": "", "lost": 0}
    assert transcript.take() is None


def test_a_progress_bar_is_one_line() -> None:
    """Of what a carriage return overwrites the last is left, without its colours."""
    transcript = Transcript()
    for percent in range(100):
        transcript.add(f"\r\x1b[32m{percent:3} %\x1b[0m")
    taken = transcript.take()
    assert taken == {"lines": [], "begun": " 99 %", "lost": 0}


@pytest.mark.parametrize("end", ["\n", ""], ids=["lines", "one"])
def test_a_flood_is_cut_and_counted(end: str) -> None:
    """What waits for a page that is slow stays small."""
    transcript = Transcript()
    for _ in range(MOST_LINES):
        transcript.add(f"{'x' * 5000}{end}" * 2)
    taken = transcript.take()
    assert taken is not None
    assert len(taken["lines"]) == MOST_LINES
    assert taken["lost"] >= MOST_LINES
    assert max(map(len, [*taken["lines"], taken["begun"]])) <= 4096


def test_what_was_left_out_on_the_way_is_said() -> None:
    """The runner cuts floods too; its count stands where the gap is."""
    transcript = Transcript()
    transcript.add("half", lost_bytes=12345)
    transcript.add("on\n")
    taken = transcript.take()
    assert taken is not None
    assert taken["lines"] == ["half", "(12,345 bytes more)", "on"]
