"""Content addresses: what is the same is sent and kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.payload.pickling import Parcel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.payload.pickling import Frame

DIGEST_BYTES: Final = 20
"""Length of a content address."""


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
