"""Messages through a pipe."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap_sge import frames

MESSAGES = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3)),
    max_size=4,
)


class Reluctant(io.BytesIO):
    """Takes three bytes at a time, as a pipe may."""

    def write(self, data: object, /) -> int:
        """Take a little."""
        assert isinstance(data, memoryview)
        return super().write(data[:3])


@given(messages=st.lists(MESSAGES, max_size=3))
def test_messages_come_through(messages: list[frames.Message]) -> None:
    """In order and unchanged, and then the end."""
    pipe = Reluctant()
    for message in messages:
        frames.write(pipe, message)
    pipe.seek(0)
    assert [frames.read(pipe) for _ in messages] == messages
    assert frames.read(pipe) is None


def test_texts_that_are_no_unicode_come_through() -> None:
    """Paths may be any bytes."""
    pipe = io.BytesIO()
    frames.write(pipe, {"path": "/a\udcff"})
    pipe.seek(0)
    assert frames.read(pipe) == {"path": "/a\udcff"}


@given(data=st.binary(max_size=40))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    """What somebody else writes into the pipe never passes for a message."""
    try:
        message = frames.read(io.BytesIO(data))
    except frames.FrameError:
        return
    assert message is None or isinstance(message, dict)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\0\0", "within a length"),
        (b"\0\0\0\5ab", "after 2 bytes of 5"),
        (b"\xff\xff\xff\xff", "announced"),
        (b"\0\0\0\2[]", "not an object"),
        (b"\0\0\0\2{x", "not JSON"),
        (b"\0\0\0\1\xff", "not JSON"),
    ],
)
def test_rubbish_is_named(data: bytes, word: str) -> None:
    """Each kind of it."""
    with pytest.raises(frames.FrameError, match=word):
        frames.read(io.BytesIO(data))
