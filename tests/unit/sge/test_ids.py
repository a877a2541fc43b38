"""Task numbers as Grid Engine writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import Handle
from gridmap_sge import ids


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("1-200:100", [1, 101]),
        ("11,15-19:2,23", [11, 15, 17, 19, 23]),
        ("1, 2", [1, 2]),
    ],
)
def test_ranges_are_read(text: str, numbers: list[int]) -> None:
    """A list of ranges stands for its numbers, steps kept."""
    assert [n for span in ids.parse_tasks(text) or () for n in span] == numbers


@pytest.mark.parametrize("text", ["", "a", "1-", "5-1", "1,,2", "1 ...", "1-5,x"])
def test_what_is_no_list_of_ranges_is_told_apart(text: str) -> None:
    """What qstat may print for other things is none, nor is a part of a list one."""
    assert ids.parse_tasks(text) is None


@given(text=st.text(alphabet="0123456789,-: x²", max_size=12))
def test_any_text_is_ranges_or_none(text: str) -> None:
    """No text raises."""
    ids.parse_tasks(text)


def test_a_job_that_is_no_array_has_no_task_number() -> None:
    """Whatever stands there instead."""
    assert ids.task_number(Handle("7", "12")) == 12
    assert ids.task_number(Handle("7")) is None
    assert ids.task_number(Handle("7", "undefined")) is None
