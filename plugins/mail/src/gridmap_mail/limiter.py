"""How many mails may be sent in an hour. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

HOUR_S: Final = 3600.0


class Limiter:
    """Lets so many through in any hour; tells about the others.

    Example:
        >>> limiter = Limiter()
        >>> [limiter.admits(2, now) for now in (0.0, 1.0, 2.0, 3600.0)]
        [True, True, False, True]
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def admits(self, per_hour: int, now: float) -> bool:
        """Tell whether one more may go now; if so, it is counted.

        Args:
            per_hour: How many may go in an hour.
            now: The present, seconds on a monotonic clock.
        """
        while self._times and self._times[0] <= now - HOUR_S:
            self._times.popleft()
        if len(self._times) >= per_hour:
            return False
        self._times.append(now)
        return True
