"""What a content is called among the runners of a node. Pure."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from gridmap.concealing import Concealing
from gridmap.transport.bulk.requests import keyed

MOST_BYTES: Final = 2**34
"""What may come out of compressed frames."""

_SIZES: Final = struct.Struct("<Q")


class Content(Concealing, msgspec.Struct, frozen=True):
    """Large frames that jobs of a run share.

    Attributes:
        digest: The content address, which names the same bytes for all of the run.
        sizes: Bytes of each frame as it travels, in order; at least one frame.
        secret: What only runners of this run know.
        compressed: Numbers of the frames that are larger once they are here.
    """

    concealed = frozenset({"secret"})

    digest: bytes
    sizes: tuple[int, ...]
    secret: bytes
    compressed: frozenset[int] = frozenset()

    def key(self, generation: int) -> bytes:
        """Return what runners prove to each other that they are of this run.

        Args:
            generation: Who leads in the one before does not answer; from 0.
        """
        sizes = b"".join(map(_SIZES.pack, self.sizes))
        return keyed(self.secret, self.digest + bytes([generation]) + sizes)

    def fits(self, number: int, size: int) -> bool:
        """Say whether memory of so many bytes can be a frame."""
        if number >= len(self.sizes):
            return False
        if number in self.compressed:
            return size <= MOST_BYTES
        return size == self.sizes[number]

    def place(self, generation: int) -> bytes:
        """Return the name to bind. Everybody sees it, and learns nothing by it."""
        return b"\0gridmap-" + keyed(self.key(generation), b"place").hex().encode()
