"""Jobs that take much longer than their like: which they are, and what is tried. Pure.

A job that is run alone on a slow or ailing node holds up a whole map. Where its user
allows that, it is begun a second time elsewhere. This module says when, and keeps which
jobs that was done with; `twins` says what follows from it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from gridmap.monitor.jobs import Grant

ENOUGH: Final = 5
"""Jobs that must have returned before it is known what is long."""

LEAST_S: Final = 3.0
"""A job that has run for less is never long: to begin it again costs about as much."""

TIMES: Final = 1.5
"""So many times as long as nearly all others a job must have run."""

NEARLY_ALL: Final = 0.95
"""The part of the jobs that returned which is meant by that."""

AT_ONCE: Final = 0.25
"""The part of the jobs not over of which there may be second attempts at a time."""

_REMEMBERED: Final = 500
"""Durations that are compared with, the latest."""


class Durations(msgspec.Struct):
    """How long a group's jobs took that returned.

    Attributes:
        count: How many did.
    """

    count: int = 0
    _latest: deque[float] = msgspec.field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )

    def add(self, seconds: float, count: int) -> None:
        """Learn that *count* jobs returned that took *seconds* together."""
        self.count += count
        self._latest.extend([seconds / count] * min(count, _REMEMBERED))

    def patience_s(self, still: int) -> float | None:
        """Return how long a job may run before it is begun a second time.

        Args:
            still: Jobs that are not over.

        Returns:
            Seconds; None as long as too few have returned to say: less than five, or
            less than are not over.
        """
        if self.count < max(ENOUGH, still):
            return None
        ordered = sorted(self._latest)
        nearly_all = ordered[math.ceil(NEARLY_ALL * len(ordered)) - 1]
        return max(LEAST_S, TIMES * nearly_all)


def at_once(still: int) -> int:
    """Return how many second attempts there may be at a time.

    Args:
        still: Jobs that are not over.
    """
    return max(1, int(AT_ONCE * still)) if still else 0


def age_s(
    grant: Grant, job: int, told: int | None, since: float | None, now: float
) -> float | None:
    """Return how long the one job has been run that a grant still answers for.

    Args:
        grant: The grant.
        job: The job.
        told: The job that its runner's last heartbeat told of; None if of none.
        since: When that one began; None likewise.
        now: The present.

    Returns:
        Seconds; since it was given where nothing was told yet. None where that says
        nothing either, since others were given along with it, or its runner is at
        another job.
    """
    if told is not None:
        return now - since if told == job and since is not None else None
    return now - grant.at if len(grant.span) == 1 else None


class Doubles(msgspec.Struct):
    """The jobs of a run that were begun a second time.

    Attributes:
        seconds: Second attempts, by the number of their grant. None of them answers for
            its job before it takes the first one's place, and is no second then.
        attempts: Those of the jobs that are not over, with the highest number that an
            attempt of them was given.
    """

    seconds: dict[int, Grant] = {}
    attempts: dict[int, int] = {}

    def after(self, job: int, attempt: int) -> int:
        """Return the number of a job's next attempt: none is used twice.

        Args:
            job: The job.
            attempt: The number of its present one.
        """
        if job not in self.attempts:
            return attempt + 1
        self.attempts[job] = max(attempt, self.attempts[job]) + 1
        return self.attempts[job]

    def begin(self, grant: Grant, second: Grant) -> None:
        """Let one grant be of the second attempt of what the other answers for."""
        grant.twin, second.twin = second, grant
        self.seconds[second.number] = second
        self.attempts[second.span.first] = second.span.attempt

    def part(self, second: Grant) -> None:
        """Let a second attempt be that of no other any more."""
        del self.seconds[second.number]
        first, second.twin = second.twin, None
        if first is not None:
            first.twin = None
