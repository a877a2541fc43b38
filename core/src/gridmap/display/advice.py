"""What to ask for next time, from what was asked for and what was used. Pure."""

from __future__ import annotations

import math
from typing import Final

import msgspec

_MIB: Final = 2**20
_GIB: Final = 2**30

_MEMORY_SPARE: Final = 1.2
_LEAST_MEMORY: Final = 64 * _MIB
_TIME_SPARE: Final = 1.5
_LEAST_TIME_S: Final = 600.0
_WORTH: Final = 2.0
"""How many times too much was asked for before that is worth a word."""

_BUSY: Final = 1.25
"""How many times too much a job computes before it is said to want more cores."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs of a map asked for and used.

    Attributes:
        memory: Bytes asked for, each; None: nothing was.
        peak: Most bytes one of them held; 0 if that is not known.
        walltime_s: Seconds asked for; None: none were.
        longest_s: Seconds the longest took; 0 if none ended.
        cores: Cores asked for, each.
        busy_cores: How many a job kept busy on average; None if that is not known.
    """

    memory: int | None = None
    peak: int = 0
    walltime_s: float | None = None
    longest_s: float = 0.0
    cores: int = 1
    busy_cores: float | None = None


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for; None of what is asked for sensibly, or not known."""

    memory: int | None = None
    walltime_s: float | None = None
    cores: int | None = None


def advise(used: Used) -> Advice:
    """Return what to ask for next time.

    Who asks for that, and uses the same again, is given no more advice.
    """
    return Advice(memory=_memory(used), walltime_s=_time(used), cores=_cores(used))


def enough_memory(peak: int) -> int:
    """Return a round number of bytes that is enough for jobs that held *peak*."""
    wanted = max(_LEAST_MEMORY, math.ceil(peak * _MEMORY_SPARE))
    step = 64 * _MIB if wanted <= _GIB else 256 * _MIB if wanted <= 8 * _GIB else _GIB
    return -(-wanted // step) * step


def enough_time_s(longest_s: float) -> float:
    """Return a round number of seconds that is enough for jobs that took so long."""
    wanted = max(_LEAST_TIME_S, longest_s * _TIME_SPARE)
    step = 600.0 if wanted <= 4 * 3600 else 3600.0
    return math.ceil(wanted / step) * step


def _memory(used: Used) -> int | None:
    if not used.peak:
        return None
    enough = enough_memory(used.peak)
    if used.memory is None:
        return enough if used.peak >= _GIB else None
    near = used.peak * 1.05 > used.memory
    wasted = used.memory >= _WORTH * enough
    return enough if near or wasted else None


def _time(used: Used) -> float | None:
    if used.walltime_s is None or not used.longest_s:
        return None
    enough = enough_time_s(used.longest_s)
    near = used.longest_s * 1.1 > used.walltime_s
    return enough if near or used.walltime_s >= _WORTH * enough else None


def _cores(used: Used) -> int | None:
    if used.busy_cores is None:
        return None
    wanted = max(1, math.ceil(used.busy_cores - 0.1))
    if used.cores > 1 and wanted <= used.cores / _WORTH:
        return wanted
    return wanted if used.busy_cores > used.cores * _BUSY else None
