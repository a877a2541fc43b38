"""Waiting for what will be true soon, with a deadline."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(
    question: Callable[[], T], *, within_s: float, what: str, gap_s: float = 0.5
) -> T:
    """Ask until the answer is true, and return it.

    Args:
        question: Asked again and again, often at first; what it raises is raised.
        within_s: Seconds after which to give up; it is asked at least twice.
        what: What is waited for, for the failure's text.
        gap_s: Longest pause between two questions, in seconds.

    Returns:
        The first true answer.

    Raises:
        AssertionError: If there was none in time. It shows the last answer.
    """
    start = time.monotonic()
    for turn in itertools.count():
        answer = question()
        if answer:
            return answer
        left = start + within_s - time.monotonic()
        if left <= 0 and turn > 0:
            msg = f"{what}: not within {within_s:g} s; last seen: {answer!r}"
            raise AssertionError(msg)
        pause(min(gap_s, 0.005 * 1.5 ** min(turn, 20), max(left, 0.001)))
    raise AssertionError  # count() has no end


def pause(seconds: float) -> None:
    """Let time pass between two looks at the world. Tests have no other sleep."""
    time.sleep(seconds)
