"""The seal of a large frame: it comes out as it went in, or not at all."""

import random

import pytest
from cryptography.hazmat.primitives.ciphers import aead
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.errors import RemoteProtocolError
from gridmap.transport.bulk import sealing
from gridmap.transport.bulk.sealing import (
    PIECE_BYTES,
    TAG_BYTES,
    Seal,
    fresh_key,
    fresh_ticket,
)

KEY, TICKET = bytes(range(32)), bytes(range(16))

sizes = st.integers(1, 3 * PIECE_BYTES) | st.sampled_from(
    [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES]
)


AESGCM = aead.AESGCM


class OldCipher:
    """What cryptography 42 to 46 has: a cipher that makes bytes of its own."""

    def __init__(self, key: bytes) -> None:
        cipher = AESGCM(key)
        self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt


@pytest.fixture(autouse=True, params=["this cryptography", "an older one"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have both kinds."""
    if request.param == "an older one":
        monkeypatch.setattr(aead, "AESGCM", OldCipher)


def frame_of(size: int) -> bytes:
    """Return bytes of which no two pieces are alike."""
    return random.Random(size).randbytes(size)  # noqa: S311 - hides nothing


def sealed(frame: bytes, key: bytes = KEY, ticket: bytes = TICKET) -> list[bytes]:
    """Return a frame's pieces, sealed."""
    seal, view, at, pieces = Seal(key, ticket, len(frame)), memoryview(frame), 0, []
    for length in sealing.lengths(len(frame)):
        room = memoryview(bytearray(PIECE_BYTES + TAG_BYTES))
        pieces.append(bytes(seal.close(view[at : at + length], room)))
        at += length
    return pieces


def opened(
    pieces: list[bytes], size: int, key: bytes = KEY, ticket: bytes = TICKET
) -> bytes:
    """Return what pieces hold."""
    seal, room = Seal(key, ticket, size), memoryview(bytearray(PIECE_BYTES))
    return b"".join(bytes(seal.open(memoryview(piece), room)) for piece in pieces)


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_what_was_sealed_comes_out(size: int) -> None:
    frame = frame_of(size)
    pieces = sealed(frame)
    assert [len(p) - TAG_BYTES for p in pieces] == list(sealing.lengths(size))
    assert opened(pieces, size) == frame


@settings(max_examples=30, deadline=None)
@given(sizes, st.data())
def test_no_bit_can_be_changed(size: int, data: st.DataObject) -> None:
    pieces = sealed(frame_of(size))
    number = data.draw(st.integers(0, len(pieces) - 1))
    place = data.draw(st.integers(0, len(pieces[number]) - 1))
    changed = bytearray(pieces[number])
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    pieces[number] = bytes(changed)
    with pytest.raises(RemoteProtocolError):
        opened(pieces, size)


def test_pieces_stay_in_their_order_their_frame_and_their_size() -> None:
    size = 3 * PIECE_BYTES
    pieces = sealed(frame_of(size))
    other = sealed(frame_of(size), ticket=bytes(16))
    for wrong, length in (
        ([pieces[1], pieces[0], pieces[2]], size),
        ([pieces[0], pieces[0], pieces[2]], size),
        ([pieces[0], other[1], pieces[2]], size),
        (pieces[:2], 2 * PIECE_BYTES),
    ):
        with pytest.raises(RemoteProtocolError):
            opened(wrong, length)


def test_keys_and_tickets_are_never_the_same() -> None:
    assert len({fresh_key() for _ in range(100)}) == 100
    assert len({fresh_ticket() for _ in range(100)}) == 100
    with pytest.raises(RemoteProtocolError):
        opened(sealed(b"x" * 100, key=fresh_key()), 100, key=fresh_key())
