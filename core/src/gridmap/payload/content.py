"""Content addresses: what is the same is sent and kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.payload.pickling import Parcel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.payload.pickling import Frame

DIGEST_BYTES: Final = 20
"""Length of a content address."""

_PIECE: Final = 256 * 1024
_SAMPLES: Final = 16
_SAMPLE_BYTES: Final = 4096


def digest(content: Parcel | Sequence[Frame]) -> bytes:
    """Return the content address of a parcel or of frames.

    Args:
        content: A parcel, or frames in order; bytes alone are not frames.

    Returns:
        20 bytes of BLAKE2b over each part's size and bytes, so that parts cut
        elsewhere have another address.
    """
    from hashlib import blake2b  # noqa: PLC0415 - 3 ms that imports need not pay

    parts = (content.head, *content.buffers) if isinstance(content, Parcel) else content
    state = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def sketch(frames: Sequence[Frame]) -> bytes:
    """Return what equal frames have in common, and different ones hardly ever.

    Takes no longer for a gigabyte than for a megabyte, where `digest` takes a second.
    Frames with the same sketch are to be compared by `same`.
    """
    parts: list[Frame] = []
    for frame in frames:
        size = len(frame)
        parts.append(size.to_bytes(8, "little"))
        if size <= _SAMPLES * _SAMPLE_BYTES:
            parts.append(frame)
            continue
        last, view = size - _SAMPLE_BYTES, memoryview(frame)
        for number in range(_SAMPLES):
            at = last * number // (_SAMPLES - 1)
            parts.append(view[at : at + _SAMPLE_BYTES])
    return digest(parts)


def same(frames: Sequence[Frame], others: Sequence[Frame]) -> bool:
    """Return whether frames have the same bytes: at memory's speed, unlike a digest."""
    return len(frames) == len(others) and all(map(_same, frames, others))


def _same(frame: Frame, other: Frame) -> bool:
    if len(frame) != len(other):
        return False
    first, second = memoryview(frame), memoryview(other)
    # Views are compared item by item in Python's C code; bytes are by memcmp.
    return all(
        bytes(first[at : at + _PIECE]) == bytes(second[at : at + _PIECE])
        for at in range(0, len(first), _PIECE)
    )
