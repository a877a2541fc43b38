"""Job ids and index lists as Slurm writes them. Pure.

Ids are texts everywhere in this plugin: Slurm prints ``7``, ``7_3``, ``7_[3-9%2]``
and ``7+0``, and a number would never be found among them. Each started task of an
array also has a number of its own (``SLURM_JOB_ID``), which is not used here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gridmap import ranges
from gridmap.backend import Handle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ID: Final = re.compile(
    r"(?P<job>\d+)(?:\+\d+)?(?:_(?:(?P<task>\d+)|\[(?P<tasks>[^\]]*)\]?))?"
)
_LONGEST_RANGE: Final = 4_000_001
"""Tasks; the largest array Slurm allows (slurm.conf(5), MaxArraySize)."""


def parse(text: str) -> tuple[Handle, ...]:
    """Return the handles that an id stands for.

    Args:
        text: ``"7"``, ``"7_3"``, ``"7_[3,5-9%2]"``. The limit after ``%`` is not an
            index; an index list that was cut off (``"7_[1,3..."``) counts as far as
            it goes.

    Returns:
        One handle, or one per task of a list; nothing if *text* is not an id.
    """
    match = _ID.fullmatch(text.strip())
    if match is None:
        return ()
    job = match["job"]
    if match["tasks"] is not None:
        return tuple(Handle(job, str(task)) for task in _expand(match["tasks"]))
    return (Handle(job, match["task"]),)


def _expand(text: str) -> Iterator[int]:
    for part in text.partition("%")[0].split(","):
        yield from (ranges.parse(part) or range(0))[:_LONGEST_RANGE]


def write(handle: Handle) -> str:
    """Return a handle as Slurm's commands want it, such as ``"7_3"``."""
    return handle.job if handle.task is None else f"{handle.job}_{handle.task}"


def write_all(handles: Iterable[Handle]) -> tuple[str, ...]:
    """Return handles as few texts as possible: ``("7_[1-5,9]", "8")``."""
    tasks: dict[str, list[int]] = {}
    texts = []
    for handle in sorted(handles):
        if handle.task is None:
            texts.append(handle.job)
        else:
            tasks.setdefault(handle.job, []).append(int(handle.task))
    for job, indices in tasks.items():
        if len(indices) == 1:
            texts.append(f"{job}_{indices[0]}")
        else:
            texts.append(f"{job}_[{','.join(ranges.compact(indices))}]")
    return tuple(texts)
