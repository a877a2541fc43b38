"""Numbers of an array's tasks as schedulers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import ranges


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        (" 0 ", [0]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-200:100", [1, 101]),
        ("016-018", [16, 17, 18]),
    ],
)
def test_a_range_is_read(text: str, numbers: list[int]) -> None:
    """It stands for its numbers, the step kept."""
    assert list(ranges.parse(text) or ()) == numbers


@pytest.mark.parametrize(
    "text",
    ["", "a", "1-", "5-1", "1-5:0", "1,2", "-1", "1 2", "²", "\u0661", "9" * 5000],
)
def test_what_is_no_range_is_told_apart(text: str) -> None:
    """Also digits that are not plain ones, and more of them than a number has."""
    assert ranges.parse(text) is None


def test_a_range_without_end_costs_nothing() -> None:
    """Whoever asked decides how many are too many."""
    assert len(ranges.parse("0-99999999999") or ()) == 10**11


def test_few_ranges_are_written() -> None:
    """Neighbours are one range, in order, and none stands twice."""
    assert ranges.compact([5, 3, 4, 9, 4]) == ("3-5", "9")
    assert ranges.compact([]) == ()


def test_numbers_have_the_width_they_are_given() -> None:
    """As in the names of nodes."""
    assert ranges.compact([9, 10, 12, 100], width=2) == ("09-10", "12", "100")


@given(numbers=st.sets(st.integers(0, 200), max_size=50), width=st.integers(0, 4))
def test_what_is_written_is_read_back(numbers: set[int], width: int) -> None:
    """Numbers made compact and read again are the same."""
    texts = ranges.compact(numbers, width)
    assert [n for text in texts for n in ranges.parse(text) or ()] == sorted(numbers)


@given(text=st.text(alphabet="0123456789-: x²", max_size=12))
def test_any_text_is_a_range_or_none(text: str) -> None:
    """No text raises, and what is a range is none that is empty."""
    assert ranges.parse(text) is None or ranges.parse(text)
