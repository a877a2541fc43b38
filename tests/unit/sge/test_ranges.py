"""Task numbers as Grid Engine writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap_sge import ranges

NUMBERS = st.sets(st.integers(1, 200), max_size=50)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("1-200:100", [1, 101]),
        ("11,15-19:2,23", [11, 15, 17, 19, 23]),
        ("1, 2", [1, 2]),
    ],
)
def test_ranges_are_read(text: str, numbers: list[int]) -> None:
    """A list of ranges stands for its numbers, steps kept."""
    assert [n for span in ranges.parse(text) or () for n in span] == numbers


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "5-1", "1-5:0", "1,,2", "-1", "1 ...", "²"]
)
def test_what_is_no_range_is_told_apart(text: str) -> None:
    """Texts qstat may print for other things are no ranges."""
    assert ranges.parse(text) is None


@given(numbers=NUMBERS)
def test_compact_loses_nothing(numbers: set[int]) -> None:
    """Numbers made compact and read again are the same."""
    texts = ranges.compact(numbers)
    spans = ranges.parse(",".join(texts)) or () if texts else ()
    assert {n for span in spans for n in span} == numbers


@given(text=st.text(alphabet="0123456789,-: x²", max_size=12))
def test_any_text_is_ranges_or_none(text: str) -> None:
    """No text raises."""
    ranges.parse(text)
