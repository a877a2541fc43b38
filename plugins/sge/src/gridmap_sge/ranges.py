"""Task numbers as Grid Engine writes them: ``1-200:1``, ``11,15-19:1``.

sge_types(1), 8.1.9: a range is ``n[-m[:s]]``, a list of them is separated by commas.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.backend import Handle

_RANGE: Final = re.compile(r"(\d{1,18})(?:-(\d{1,18})(?::(\d{1,18}))?)?")


def parse(text: str) -> tuple[range, ...] | None:
    """Return the ranges a text stands for, None if it is no list of ranges."""
    ranges = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return None
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step < 1 or last < first:
            return None
        ranges.append(range(first, last + 1, step))
    return tuple(ranges)


def task_number(handle: Handle) -> int | None:
    """Return the number of a handle's task, None for a job that is no array."""
    return int(handle.task) if handle.task and handle.task.isdecimal() else None


def compact(numbers: Iterable[int]) -> tuple[str, ...]:
    """Return numbers as few ranges without steps: ``("1-5", "7")``."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(
        f"{first}" if first == last else f"{first}-{last}" for first, last in ranges
    )
