"""How much may be spent on strangers. Pure."""

from __future__ import annotations

import msgspec


class Allowance(msgspec.Struct):
    """What may be spent: a sum at once, and so much more each second.

    Attributes:
        rate: How much comes in a second.
        most: How much there is at most, and at first.
        debt: How much can be owed at most; what is spent beyond that is forgiven.
    """

    rate: float
    most: float
    debt: float
    _left: float = 0.0
    _at: float = 0.0

    def __post_init__(self) -> None:
        """Begin with all there may be."""
        self._left = self.most

    def spend(self, amount: float, now: float) -> float:
        """Take an amount, whether it is there or not.

        Args:
            amount: How much; below 0 it is given back.
            now: The present, seconds on a monotonic clock.

        Returns:
            How much is left; below 0 if that is owed.
        """
        gained = self.rate * (now - self._at)
        left = min(self.most, self._left + gained) - amount
        self._left = max(left, -self.debt)
        self._at = now
        return self._left
