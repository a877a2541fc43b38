"""Numbers of an array's tasks as schedulers write them: ``7``, ``1-200``, ``1-9:2``.

For authors of backends. Pure. Grid Engine (sge_types(1), 8.1.9), Slurm (sbatch(1),
``--array``), PBS and LSF write a range alike; what stands around ranges, and what a
list that cannot be read means, is each scheduler's own affair.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_RANGE: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18})(?::([0-9]{1,18}))?)?")


def parse(text: str) -> range | None:
    """Return the numbers that ``n``, ``n-m`` or ``n-m:step`` stands for.

    Args:
        text: One range, of a list that commas separate; blanks around it do not count.

    Returns:
        The numbers, which may be very many; None if it is no range, or none that goes
        up.

    Example:
        >>> from gridmap import ranges
        >>> [list(ranges.parse(part)) for part in "7,1-9:4".split(",")]
        [[7], [1, 5, 9]]
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return None
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    return range(first, last + 1, step) if step and last >= first else None


def compact(numbers: Iterable[int], width: int = 0) -> tuple[str, ...]:
    """Return numbers as few ranges, without steps.

    Args:
        numbers: The numbers, in any order, from 0.
        width: Digits that each is written with at least.

    Example:
        >>> from gridmap import ranges
        >>> ranges.compact([3, 1, 2, 7])
        ('1-3', '7')
    """
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return tuple(
        f"{first:0{width}}" if first == last else f"{first:0{width}}-{last:0{width}}"
        for first, last in found
    )
