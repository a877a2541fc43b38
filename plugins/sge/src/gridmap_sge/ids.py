"""Numbers of tasks as Grid Engine writes them: ``1-200:1``, ``11,15-19:1``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap import ranges

if TYPE_CHECKING:
    from gridmap.backend import Handle


def parse_tasks(text: str) -> tuple[range, ...] | None:
    """Return the ranges a text stands for, None if it is no list of ranges."""
    found = []
    for part in text.split(","):
        span = ranges.parse(part)
        if span is None:
            return None
        found.append(span)
    return tuple(found)


def task_number(handle: Handle) -> int | None:
    """Return the number of a handle's task, None for a job that is no array."""
    return int(handle.task) if handle.task and handle.task.isdecimal() else None
