"""Memory to be passed on that is filled piece by piece, from its beginning."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gridmap.kernel import write_at
from gridmap.payload import memory, refill

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame
    from gridmap.payload.room import Room


class Gathering:
    """Sealed memory in the making."""

    def __init__(self, size: int) -> None:
        """Begin.

        Args:
            size: Bytes of all pieces; the system gives memory for those that came.

        Raises:
            OSError: If it has none to give.
        """
        self._filled = 0
        self._room: Room | None = None
        if size >= memory.LEAST_BYTES:
            self._room = refill.room(size)
        self._descriptor = memory.fresh(size) if self._room is None else -1

    def add(self, piece: Frame) -> None:
        """Put the next piece behind the others.

        Raises:
            OSError: If the system has no memory to give.
        """
        if self._room is not None:
            self._room.write(piece, self._filled)
        else:
            write_at(self._descriptor, memoryview(piece), self._filled)
        self._filled += len(piece)

    def seal(self) -> int:
        """Let nobody change it any more, while anybody has it.

        Returns:
            A descriptor, which is the caller's to close, as `memory.take` and
            `held.relay` do.

        Raises:
            OSError: If the system has no descriptor to give.
        """
        if self._room is not None:
            descriptor = self._room.hand_out()
            refill.keep(self._room)
            self._room = None
            return descriptor
        memory.shut(self._descriptor)
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        """Leave nothing behind of what was not sealed. Idempotent."""
        self._room = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
