"""Frames that have the same bytes, and frames that only look so."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.payload import same, sketch

SIZE = 3 * 64 * 1024 + 1000
FRAME = os.urandom(SIZE)


@given(at=st.integers(0, SIZE - 1))
def test_frames_that_differ_in_one_byte_are_not_the_same(at: int) -> None:
    """Wherever that is, whatever carries them."""
    other = bytearray(FRAME)
    assert same([b"x", FRAME], [b"x", memoryview(other)])
    other[at] ^= 1
    assert not same([b"x", memoryview(other)], [b"x", FRAME])


@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1])
def test_frames_of_any_size_are_compared_to_their_ends(size: int) -> None:
    """The last byte counts, and so does one more."""
    frame = FRAME[:size]
    assert same([frame], [bytearray(frame)])
    assert not same([frame], [frame + b"x"])
    assert not same([frame + b"x"], [frame + b"y"])
    assert not same([frame], [frame, b""])


def test_equal_frames_have_one_sketch() -> None:
    """Others hardly ever: their sizes and samples count."""
    assert sketch([FRAME]) == sketch([bytearray(FRAME)])
    seen = [[FRAME], [FRAME[1:]], [FRAME, b""], [b"", FRAME], [FRAME[:-1] + b"x"]]
    assert len(set(map(sketch, seen))) == len(seen)
