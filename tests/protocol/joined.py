"""A runner and a monitor joined in memory, for large frames in pieces."""

import os
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from tests.greetings import HELLO

from gridmap.monitor.pieces import Pieces as MonitorPieces
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import WINDOW_BYTES
from gridmap.runner.pieces import Pieces

LARGE = os.urandom(2 * WINDOW_BYTES + 17)
SMALL = os.urandom(100_000)
PEER = b"runner"
LIMIT = 8 * len(LARGE)


class Joined:
    """A runner and a monitor, and what is on its way between them.

    Attributes:
        refusal: How often either line is full, as a probability.
        woken: How often the runner was.
        under_way: The most bytes that ever were on their way at once.
        came: Bytes of pieces that came to the monitor.
    """

    def __init__(self, refusal: float = 0.0) -> None:
        self.random = random.Random(1)  # noqa: S311 - a line that is full now and then
        self.refusal = refusal
        self.up: deque[list[Any]] = deque()
        self.down: deque[list[Any]] = deque()
        self.woken = self.under_way = self.came = 0
        self.now = 0.0
        self.monitor = MonitorPieces(self._to_runner, LIMIT)
        self.runner = Pieces(self._to_monitor, self._wake)
        self.monitor.meet(PEER, HELLO)

    def _wake(self) -> None:
        self.woken += 1

    def _to_runner(self, peer: bytes, frames: Sequence[Any]) -> bool:
        assert peer == PEER
        return self._put(self.down, frames)

    def _to_monitor(self, frames: Sequence[Any]) -> bool:
        return self._put(self.up, frames)

    def _put(self, line: deque[list[Any]], frames: Sequence[Any]) -> bool:
        if self.random.random() < self.refusal:
            return False
        line.append(list(frames))
        under_way = sum(len(f) for sent in line for f in sent[1:])
        self.under_way = max(self.under_way, under_way)
        return True

    def step(self) -> bool:
        """Let one message arrive, and both ends look; tell whether any was there."""
        lines = [line for line in (self.up, self.down) if line]
        if lines:
            line = self.random.choice(lines)
            frames = line.popleft()
            if line is self.up:
                said: Any = codec.decode_from_runner(frames[0])
                self.came += sum(map(len, frames[1:]))
                self.monitor.hear(PEER, said, frames[1:], self.now)
            else:
                heard = codec.decode_from_monitor(frames[0])
                if isinstance(heard, m.Piece):
                    self.runner.came(heard, frames[1:], self.now)
                else:
                    assert isinstance(heard, m.Credit)
                    self.runner.allowed(heard, self.now)
        self.monitor.turn(self.now)
        self.runner.tick(self.now)
        return bool(lines or self.up or self.down)

    def settle(self) -> None:
        """Let everything arrive."""
        for _ in range(100_000):
            if not self.step() and not self.refusal:
                return
            if self.refusal and self.woken:
                return
        pytest.fail("it never ends")

    def bring(self, frames: list[bytes]) -> list[bytes]:
        """Have the runner begin to bring frames; return how they are referred to."""
        references = [self.runner.pack(frame) for frame in frames]
        assert self.runner.bring(self.now)
        return references


def here(joined: Joined, references: list[bytes]) -> bool:
    """Say whether the runner has what is referred to; have it fetched if not."""
    return joined.runner.here(references, LIMIT, joined.now)
