"""Messages on a Unix socket are told apart however their bytes arrive."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import RemoteProtocolError
from gridmap.transport import Counters, Limits
from gridmap.transport.limits import LARGE_FRAME_BYTES
from gridmap.transport.unix import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = st.binary(max_size=40)
LARGE = st.integers(-2, 40).map(lambda more: b"L" * (LARGE_FRAME_BYTES + more))
FRAMES = st.lists(st.one_of(SMALL, SMALL, LARGE), min_size=1, max_size=5)


def written(messages: list[list[bytes]]) -> bytes:
    return b"".join(
        wire.head([len(frame) for frame in frames]) + b"".join(frames)
        for frames in messages
    )


def arriving(stream: bytes, cuts: list[int]) -> Iterator[memoryview]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(places):
        yield memoryview(bytearray(stream[begin:end]))


def read(reader: wire.Reader, stream: bytes, cuts: list[int]) -> list[list[bytes]]:
    """Let a stream arrive in pieces, into the reader's own room where it has one."""
    read = []
    for piece in arriving(stream, cuts):
        at = 0
        while at < len(piece):
            room = reader.room()
            if room is None:
                read += reader.feed(piece[at:])
                break
            size = min(len(room), len(piece) - at)
            room[:size] = piece[at : at + size]
            at += size
            read += reader.filled(size)
    return [[bytes(frame) for frame in frames] for frames in read]


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(min_value=0), max_size=12))
def test_messages_arrive_as_they_were_sent(
    messages: list[list[bytes]], cuts: list[int]
) -> None:
    """Whatever the frames, and wherever the stream is cut."""
    counters = Counters()
    assert read(wire.Reader(Limits(), counters), written(messages), cuts) == messages
    assert counters == Counters()


@given(
    st.lists(FRAMES, max_size=6),
    st.lists(st.integers(min_value=0), max_size=12),
    st.integers(1, 4),
    st.integers(1, 2 * LARGE_FRAME_BYTES),
)
def test_what_is_too_much_is_dropped_and_counted(
    messages: list[list[bytes]], cuts: list[int], most: int, size: int
) -> None:
    """The messages around it arrive; no frame here is longer than one may be."""
    counters = Counters()
    limits = Limits(message_frames=most, message_bytes=size)
    wide = [frames for frames in messages if sum(map(len, frames)) <= size]
    good = [frames for frames in wide if len(frames) <= most]
    assert read(wire.Reader(limits, counters), written(messages), cuts) == good
    assert counters.oversized == len(messages) - len(wide)
    assert counters.malformed == len(wide) - len(good)


def test_large_frames_are_memory_of_their_own_and_control_frames_bytes() -> None:
    """What a user keeps of a message keeps no other frame of it."""
    large = b"x" * LARGE_FRAME_BYTES
    reader = wire.Reader(Limits(), Counters())
    (message,) = reader.feed(memoryview(written([[large, large, b"y", large]])))
    assert [type(frame) for frame in message] == [bytes, memoryview, bytes, memoryview]
    views = [frame for frame in message if isinstance(frame, memoryview)]
    assert [view.nbytes for view in views] == [len(view.obj) for view in views]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "nonsense",
    [b"\0\0\0\0", b"GET / HTTP/1.1\r\n", wire.head([Limits().frame_bytes + 1])],
    ids=["no frames", "another protocol", "a frame too long"],
)
def test_nonsense_is_not_waited_for(nonsense: bytes) -> None:
    """It is told as such before memory is taken for it."""
    reader = wire.Reader(Limits(), Counters())
    assert reader.feed(memoryview(written([[b"a"]]))) == [[b"a"]]
    with pytest.raises(RemoteProtocolError):
        reader.feed(memoryview(nonsense))
