"""Ids as Slurm writes them, and handles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.backend import Handle
from gridmap_slurm import ids


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("7", [Handle("7")]),
        ("7_3", [Handle("7", "3")]),
        ("7_[3]", [Handle("7", "3")]),
        ("7_[3-5]", [Handle("7", "3"), Handle("7", "4"), Handle("7", "5")]),
        ("7_[3,5%2]", [Handle("7", "3"), Handle("7", "5")]),
        ("7_[1-5:2]", [Handle("7", "1"), Handle("7", "3"), Handle("7", "5")]),
        ("7_[1,3-4,...", [Handle("7", "1"), Handle("7", "3"), Handle("7", "4")]),
        ("7_[]", []),
        ("7+1", [Handle("7")]),
        ("7.batch", []),
        ("abc", []),
        ("", []),
        ("-7", []),
    ],
)
def test_an_id_stands_for_one_or_more_handles(text: str, handles: list[Handle]) -> None:
    """Lists are spread out, the limit is no index, and what is no id gives nothing."""
    assert list(ids.parse(text)) == handles


def test_handles_of_one_array_are_written_as_ranges() -> None:
    """The command line stays short, however many runners there are."""
    handles = [Handle("7", str(task)) for task in range(1, 501) if task != 100]
    texts = ids.write_all([*handles, Handle("8", "2"), Handle("9")])
    assert sorted(texts) == ["7_[1-99,101-500]", "8_2", "9"]


@given(st.sets(st.integers(0, 5000), min_size=1))
def test_what_is_written_is_read_back(tasks: set[int]) -> None:
    """Writing handles and parsing the texts gives the same handles."""
    handles = {Handle("12", str(task)) for task in tasks}
    texts = ids.write_all(handles)
    assert {handle for text in texts for handle in ids.parse(text)} == handles


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text gives handles or none, and never an exception."""
    assert all(handle.job.isdigit() for handle in ids.parse(text))


def test_an_absurd_range_is_bounded() -> None:
    """A list that no Slurm would print does not eat all memory."""
    assert len(ids.parse("1_[0-99999999999]")) <= 4_000_002
