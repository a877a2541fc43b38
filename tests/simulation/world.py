"""Virtual time, chance, and the story of what happened."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Dice(random.Random):
    """Chance that can be had again."""

    def __init__(self, seed: int | str) -> None:
        super().__init__(seed)

    def chance(self, probability: float) -> bool:
        """Throw a die."""
        return self.random() < probability

    def between(self, least: float, most: float) -> float:
        """Return a number in a range."""
        return self.uniform(least, most)


class World:
    """The clock and the dice of one simulation.

    Attributes:
        seed: What the dice came from.
        now: Seconds since the beginning.
        random: The only source of chance.
        story: What happened, in order.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0.0
        self.random = Dice(seed)
        self.story: list[str] = []
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen after a while; things of one moment keep their order."""
        entry = (self.now + max(seconds, 0.0), next(self._numbers), act)
        heapq.heappush(self._coming, entry)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; return whether *until* came true in it."""
        end = self.now + seconds
        while not until():
            if not self._coming or self._coming[0][0] > end:
                self.now = end
                return until()
            self.now, _, act = heapq.heappop(self._coming)
            act()
        return True

    def tell(self, text: str) -> None:
        """Add to the story."""
        self.story.append(f"{self.now:10.3f}  {text}")

    def chance(self, probability: float) -> bool:
        """Throw a die."""
        return self.random.chance(probability)

    def between(self, least: float, most: float) -> float:
        """Return a number in a range."""
        return self.random.between(least, most)
