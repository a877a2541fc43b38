"""Many parcels in few frames."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import LocalProtocolError, RemoteProtocolError
from gridmap.payload import (
    LARGE_BYTES,
    MAX_PARCELS,
    Batch,
    Frame,
    Parcel,
    dump,
    load,
    pack,
    take,
    unpack,
)

HEADS = st.binary(max_size=40) | st.sampled_from(
    [b"", b"x" * 2000, b"y" * (LARGE_BYTES - 1), b"z" * LARGE_BYTES]
)
PARCELS = st.lists(
    HEADS
    | st.builds(Parcel, HEADS, st.lists(st.binary(max_size=9), max_size=3).map(tuple)),
    max_size=12,
)
CARRIERS = st.sampled_from([bytes, bytearray, memoryview])


def plain(parcel: bytes | Parcel) -> tuple[bytes, list[bytes]]:
    """Return the bytes of a parcel, whatever carries them."""
    head, buffers = parcel if isinstance(parcel, Parcel) else (parcel, ())
    return bytes(head), [bytes(buffer) for buffer in buffers]


@given(parcels=PARCELS, carrier=CARRIERS)
def test_parcels_come_back_in_order(
    parcels: list[bytes | Parcel], carrier: type[Frame]
) -> None:
    """Whatever the frames are carried in, what was packed is what is unpacked."""
    frames = [carrier(frame) for frame in pack(parcels)]
    unpacked = unpack(frames)
    assert [plain(parcel) for parcel in unpacked] == list(map(plain, parcels))
    assert all(type(parcel) is Parcel for parcel in unpacked)


@given(parcels=PARCELS, start=st.integers(-15, 15), stop=st.integers(-15, 15))
def test_a_part_of_a_batch_is_a_batch(
    parcels: list[bytes | Parcel], start: int, stop: int
) -> None:
    """Taking, and unpacking only a part, follow Python's rules for slices."""
    frames = pack(parcels)
    wanted = [plain(parcel) for parcel in parcels[start:stop]]
    assert [plain(parcel) for parcel in unpack(take(frames, start, stop))] == wanted
    assert list(map(plain, Batch.read(frames).parcels(start, stop))) == wanted
    assert len(Batch.read(frames)) == len(parcels)


def test_small_streams_share_one_frame() -> None:
    """A thousand small jobs are two frames, and four bytes each besides their own."""
    frames = pack([b"abc"] * 1000)
    assert [len(frame) for frame in frames] == [4012, 3000]


def test_large_parts_are_passed_on_uncopied() -> None:
    """Streams of 64 KiB and more, and all buffers, are the very same objects."""
    array = np.zeros(LARGE_BYTES)
    parcel = dump(array, what="it")
    stream = b"x" * LARGE_BYTES
    frames = take(pack([b"a", stream, parcel, b"b"]), 1, 3)
    assert frames[2] is stream
    assert frames[3] is parcel.buffers[0]
    big, held = unpack(frames)
    assert big.head is stream
    assert np.shares_memory(load(held), array)


def test_parts_of_the_joined_frame_are_not_copied() -> None:
    """Streams that are not tiny are views of the frame they came in."""
    frames = pack([b"x" * 3000, b"y" * 3000])
    first, _ = unpack(frames)
    assert isinstance(first.head, memoryview)
    assert first.head.obj is frames[1]


def test_too_many_parcels_are_our_own_mistake() -> None:
    """A batch has a largest size; callers make several."""
    with pytest.raises(LocalProtocolError, match="1048577"):
        pack([b""] * (MAX_PARCELS + 1))


def table(*numbers: int, version: int = 1) -> bytes:
    """Write a table: count, owning, sizes and pairs."""
    return struct.pack(f"<Bxxx{len(numbers)}I", version, *numbers)


OWN = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "at least 2 frames"),
        ([b""], "at least 2 frames"),
        ([b"", b""], "at least 12 bytes"),
        ([table(0, 0, version=2), b""], "version"),
        ([table(1, 0), b""], "bytes of table"),
        ([table(0, 0, 5), b""], "bytes of table"),
        ([table(MAX_PARCELS + 1, 0), b""], "not possible"),
        ([table(1, 2, 0, 0, 1, 1, 1), b""], "not possible"),
        ([table(1, 0, 3), b"ab"], "joined"),
        ([table(1, 0, 1), b"ab"], "joined"),
        ([table(1, 0, 1), b"a", b"more"], "frames of their own"),
        ([table(1, 1, 1, 0, 1), b"a"], "frames of their own"),
        ([table(1, 1, 1, 0, 0xFFFFFFFF), b"a", b""], "frames of their own"),
        ([table(1, 0, OWN), b""], "stream of their own"),
        ([table(1, 1, 1, 1, 1), b"a", b""], "order"),
        ([table(1, 1, 1, 0, 0), b"a"], "order"),
        ([table(2, 2, 1, 1, 1, 1, 0, 1), b"ab", b"", b""], "order"),
        ([table(2, 2, 1, 1, 1, 1, 1, 1), b"ab", b"", b""], "order"),
        ([table(2, 1, OWN, OWN, 0, 1), b"", b""], "stream of their own"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_frames_that_do_not_add_up_are_refused(frames: list[Frame], words: str) -> None:
    """Each rule of the table is checked."""
    with pytest.raises(RemoteProtocolError, match=words):
        unpack(frames)


@given(frames=st.lists(st.binary(max_size=60), max_size=5), stop=st.integers())
def test_any_frames_are_a_batch_or_refused(frames: list[Frame], stop: int) -> None:
    """Hostile frames give nothing but RemoteProtocolError."""
    for action in (lambda: unpack(frames), lambda: take(frames, 0, stop)):
        with contextlib.suppress(RemoteProtocolError):
            action()


@given(parcels=PARCELS, data=st.data())
def test_any_damage_to_a_batch_keeps_to_the_rules(
    parcels: list[bytes | Parcel], data: st.DataObject
) -> None:
    """A table with any number changed is refused or has as many parcels as it says."""
    frames = pack(parcels)
    changed = bytearray(frames[0])
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] = data.draw(st.integers(0, 255))
    frames[0] = changed
    try:
        unpacked = unpack(frames)
    except RemoteProtocolError:
        return
    assert len(unpacked) == len(parcels)
    assert sum(parcel.nbytes for parcel in unpacked) == sum(map(len, frames[1:]))
