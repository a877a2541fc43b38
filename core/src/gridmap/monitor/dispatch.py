"""How many jobs a runner is given at a time. Pure arithmetic.

Guided self-scheduling: a batch is as long as `TARGET_S` of measured work, but never
more than a runner's half share of what is left, so that the tail is handed out one by
one. Work that is not worth a message is not shared, whatever the share: where it turns
out to take longer than such jobs did before, it is taken back. Before anything is
measured, one job at a time.
"""

from __future__ import annotations

import math
from typing import Final

TARGET_S: Final = 0.1
"""Seconds of work a batch should hold: long beside a round trip, short for a person."""

WORTH_S: Final = 0.002
"""Seconds of work for which it is not worth while to trouble another runner: a message
costs a twentieth of that, on either side, and waits for others of its kind."""

LATE_S: Final = 0.25
"""Seconds beyond what a batch should take after which an idle runner may have of it."""

PREFETCH_S: Final = 0.05
"""A runner with less work than this gets more before it is idle."""

MOST_GRANTS: Final = 4
"""Grants a runner holds at most: more would be small, and fill its connection."""

LARGEST: Final = 4096
"""Jobs in a batch, at most: bounds what one message holds."""


def batch_size(
    *,
    queued: int,
    runners: int,
    mean_s: float | None,
    remaining_s: float | None = None,
    evenly: bool = False,
) -> int:
    """Return how many jobs the next batch should have.

    Args:
        queued: Jobs waiting, at least 1.
        runners: Runners that are up, at least 1.
        mean_s: Mean duration of a job; None if none was measured.
        remaining_s: Seconds the runner has left to live; None if unlimited.
        evenly: Whether the mean is not to be trusted, so that the share is the limit.

    Returns:
        At least 1; 0 if the runner cannot finish a single job in time.
    """
    if mean_s is None:
        return 1
    mean = max(mean_s, 1e-7)
    if remaining_s is not None and mean > remaining_s:
        return 0
    share = math.ceil(queued / (2 * max(runners, 1)))
    if not evenly:
        share = max(share, min(queued, int(WORTH_S / mean)))
    fitting = int(TARGET_S / mean)
    if remaining_s is not None:
        fitting = min(fitting, int(remaining_s / mean))
    return max(1, min(share, fitting, LARGEST))


def wants_more(*, left: int, grants: int, mean_s: float | None) -> bool:
    """Tell whether a runner that holds *left* jobs should get more now.

    Args:
        left: Jobs it holds.
        grants: Grants they came in.
        mean_s: Mean duration of a job; None if none was measured.
    """
    if left == 0:
        return True
    if grants >= MOST_GRANTS:
        return False
    return mean_s is not None and left * mean_s < PREFETCH_S


def is_late(*, count: int, mean_s: float | None, age_s: float) -> bool:
    """Tell whether a batch takes longer than it was thought to.

    Args:
        count: Jobs it had.
        mean_s: Mean duration of a job when it was given; None if none was measured.
        age_s: How long ago that was.
    """
    return age_s > LATE_S + 2 * count * (mean_s or 0.0)
