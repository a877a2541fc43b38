"""Frames made smaller where that pays."""

import bz2
import random
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidSettingError, RemoteProtocolError
from gridmap.payload import (
    Compression,
    Frame,
    choose,
    compress,
    compressions,
    decode,
    decompress,
    encode,
    opened,
    refer,
    references,
)
from gridmap.payload.memory import LEAST_BYTES

NOISE = random.Random(1).randbytes(100_000)  # noqa: S311 - no secret
ZEROS = bytes(100_000)
PACKED = [Compression.ZSTD, Compression.BZ2]
FRAMES = st.lists(
    st.binary(max_size=50) | st.sampled_from([ZEROS, NOISE, b"abc" * 1000]), max_size=5
)
SETTINGS = st.sampled_from(["auto", "none", "zstd", "bz2"])


@given(frame=st.binary(), compression=st.sampled_from(Compression))
def test_a_frame_comes_back(frame: bytes, compression: Compression) -> None:
    """At exactly the limit too, and from any carrier."""
    packed = compress(frame, compression)
    assert decompress(packed, compression, len(frame)) == frame
    assert decompress(memoryview(packed), compression, len(frame)) == frame


@given(frames=FRAMES, setting=SETTINGS)
def test_frames_come_back_under_every_setting(
    frames: list[Frame], setting: str
) -> None:
    """Encoded frames say themselves how they are to be read."""
    encoded = encode(frames, setting)
    assert len(encoded) == len(frames) + 1
    assert decode(encoded, sum(map(len, frames))) == frames


@pytest.mark.parametrize(
    ("setting", "frame", "expected"),
    [
        ("auto", bytes(16 * 1024), Compression.ZSTD),
        ("auto", bytes(16 * 1024 - 1), Compression.NONE),
        ("auto", NOISE, Compression.NONE),
        ("auto", ZEROS + NOISE * 9, Compression.NONE),
        ("auto", NOISE + ZEROS * 9, Compression.ZSTD),
        ("none", ZEROS, Compression.NONE),
        ("zstd", NOISE, Compression.ZSTD),
        ("bz2", NOISE, Compression.BZ2),
        ("bz2", b"x" * 511, Compression.NONE),
    ],
)
def test_the_method_fits_setting_size_and_content(
    setting: str, frame: bytes, expected: Compression
) -> None:
    """Only what is large and gains is compressed unasked."""
    assert choose(setting, frame) is expected


def test_an_unknown_setting_is_refused() -> None:
    """The error offers the settings there are."""
    with pytest.raises(InvalidSettingError, match="auto, none, zstd, bz2"):
        choose("gzip", b"")


@pytest.mark.parametrize("setting", ["auto", "zstd", "bz2"])
def test_what_gains_nothing_is_passed_on_uncopied(setting: str) -> None:
    """Random numbers are the same memory before and after, there and back."""
    frame = memoryview(np.frombuffer(NOISE, dtype=np.uint8))  # type: ignore[arg-type]
    encoded = encode([frame, ZEROS], setting)
    assert encoded[1] is frame
    assert len(encoded[2]) < 200
    assert decode(encoded, 10_000_000)[0] is frame


@pytest.mark.parametrize("compression", Compression)
def test_more_than_the_limit_is_refused(compression: Compression) -> None:
    """One byte over is over."""
    packed = compress(ZEROS, compression)
    with pytest.raises(RemoteProtocolError, match="at most 99999 are allowed"):
        decompress(packed, compression, len(ZEROS) - 1)


@given(setting=SETTINGS)
def test_what_travels_apart_may_be_opened_on_the_way(setting: str) -> None:
    """Who fetches it is told how it is compressed, and who decodes it is not."""
    large = random.Random(2).randbytes(LEAST_BYTES)  # noqa: S311 - no secret
    frames: list[Frame] = [large + bytes(1 << 20), b"small", ZEROS, large]
    carried: dict[bytes, Frame] = {}

    def put(frame: Frame) -> bytes:
        reference = b"reference %d" % len(carried)
        carried[reference] = frame
        return reference

    message = refer(encode(frames, setting), put)
    methods = compressions(message)
    assert list(methods) == references(message) == list(carried)
    unpacked = {r: decompress(carried[r], methods[r], 1 << 22) for r in carried}
    assert list(unpacked.values()) == [frames[0], frames[3]]
    assert decode(message, 1 << 23, bring=lambda r, _: carried[bytes(r)]) == frames
    assert opened(message, []) == message
    said = opened(message, methods)
    assert decode(said, 1 << 23, bring=lambda r, _: unpacked[bytes(r)]) == frames


@pytest.mark.parametrize("compression", PACKED)
def test_a_bomb_is_refused_before_it_goes_off(compression: Compression) -> None:
    """A hundred megabytes in a few kilobytes take none of that to refuse."""
    bomb = compress(bytes(100_000_000), compression)
    assert len(bomb) < 10_000
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError, match="allowed"):
        decompress(bomb, compression, 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_the_limit_is_for_all_frames_together() -> None:
    """Many bombs just below the limit are one above it."""
    encoded = encode([ZEROS] * 10, "zstd")
    assert len(decode(encoded, 1_000_000)) == 10
    with pytest.raises(RemoteProtocolError, match="allowed"):
        decode(encoded, 999_999)


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("change", ["cut", "longer", "twice", "bit"])
def test_damage_is_refused(compression: Compression, change: str) -> None:
    """Nothing is half decompressed."""
    packed = bytes(compress(ZEROS + NOISE, compression))
    damaged = {
        "cut": packed[:-1],
        "longer": packed + b"x",
        "twice": packed * 2,
        "bit": packed[:500] + bytes([packed[500] ^ 1]) + packed[501:],
    }[change]
    with pytest.raises(RemoteProtocolError):
        decompress(damaged, compression, 1_000_000)


def test_zstd_that_does_not_tell_its_size_is_refused() -> None:
    """Its size could only be found out by decompressing it."""
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS)
    with pytest.raises(RemoteProtocolError, match="does not tell its size"):
        decompress(stream, Compression.ZSTD, 1_000_000)


@given(
    frame=st.binary()
    | st.binary().map(lambda tail: b"BZh9" + tail)
    | st.binary().map(lambda tail: b"\x28\xb5\x2f\xfd" + tail)
    | st.binary().map(lambda tail: b"\x50\x2a\x4d\x18" + tail)
    | st.binary(min_size=1).map(lambda tail: bz2.compress(b"abc") + tail),
    compression=st.sampled_from(Compression),
)
def test_any_bytes_are_decompressed_or_refused(
    frame: bytes, compression: Compression
) -> None:
    """Hostile bytes give nothing but RemoteProtocolError, and never too much."""
    try:
        data = decompress(frame, compression, 1000)
    except RemoteProtocolError:
        return
    assert len(data) <= 1000


@given(
    frames=st.lists(st.binary(max_size=20), max_size=4)
    | st.lists(st.binary(max_size=20), max_size=4).map(
        lambda frames: [bytes(len(frames)), *frames]
    )
)
def test_any_frames_are_decoded_or_refused(frames: list[Frame]) -> None:
    """Also when the number of methods is wrong or a method unknown."""
    try:
        decoded = decode(frames, 50)
    except RemoteProtocolError:
        return
    assert decoded == frames[1:]


@pytest.mark.parametrize("frames", [[], [b"\0"], [b"", b"x"], [b"\3", b"x"]], ids=repr)
def test_methods_that_do_not_fit_the_frames_are_refused(frames: list[Frame]) -> None:
    """One method a frame, each of them known."""
    with pytest.raises(RemoteProtocolError):
        decode(frames, 50)


IN_WANT = """
import os, resource, sys
from gridmap import payload
from gridmap.errors import RunError
from gridmap.payload import Compression

frame = bytes.fromhex(sys.argv[1])
if sys.argv[2] == "prepared":
    payload.prepare()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    print(payload.decompress(frame, Compression.ZSTD, 100))
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("prepared", "said"),
    [("prepared", "b'what was compressed'"), ("not", "ulimit -n")],
)
def test_a_process_without_descriptors_can_still_decompress(
    prepared: str, said: str
) -> None:
    """It imports what it needs for that when it first needs it; or it says why not."""
    frame = zstandard.compress(b"what was compressed").hex()
    command = [sys.executable, "-c", IN_WANT, frame, prepared]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said in done.stdout
