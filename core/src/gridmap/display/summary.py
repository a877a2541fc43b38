"""What a map came to, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.display.advice import Advice, advise
from gridmap.display.status import duration, one_line
from gridmap.resources import format_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.display.tally import Tally

_LONG_S: Final = 2.0
"""Of a map that took less, and in which nothing failed, one line is told."""


def summary(tally: Tally, name: str, *, queries: bool = True) -> list[str]:
    """Return what a map came to, one line for each thing worth knowing.

    Args:
        tally: The map, which is over.
        name: What it is called.
        queries: Whether to tell how often the scheduler was asked.
    """
    overview = tally.overview
    end = overview.at if overview.ended is None else overview.ended
    took = max(0.0, end - (end if overview.started is None else overview.started))
    lines = [_head(tally, name, took)]
    ill = tally.failed or tally.retried or tally.doubled
    troubled = bool(ill or overview.error)
    if took < _LONG_S and not troubled:
        return lines
    lines += _use(tally)
    if tally.retried:
        lines.append(f"run again: {_counted(tally.retried)}")
    if tally.doubled:
        lines.append(f"begun a second time: {_counted(tally.doubled)}")
    if tally.failed:
        lines.append(f"failed: {_counted(tally.failed)}")
    if queries and overview.queries:
        total = sum(overview.queries.values())
        lines.append(f"scheduler asked {total:,} times: {_counted(overview.queries)}")
    used = tally.used()
    if used is not None and (words := _advice(advise(used))):
        lines.append(f"next time ask for {words}")
    return [lines[0], *(f"  {line}" for line in lines[1:])]


def _head(tally: Tally, name: str, took: float) -> str:
    over, total = tally.done, tally.total
    jobs = f"{total:,} jobs" if over == total else f"{over:,} of {total:,} jobs"
    if total == 1:
        jobs = "1 job" if over else "0 of 1 jobs"
    words = f"{one_line(name, 40)}: {jobs} in {duration(took)}"
    count = len(tally.runners)
    if count:
        words += f" on {count:,} runner{'s' * (count > 1)}"
    if took >= _LONG_S and tally.seconds > took:
        words += f", {tally.seconds / took:.1f} times as fast as one by one"
    return words


def _use(tally: Tally) -> list[str]:
    used = tally.used()
    words = []
    if used is not None and used.busy_cores is not None:
        part = used.busy_cores / used.cores
        of = "a core" if used.cores == 1 else f"{used.cores} cores"
        words.append(f"processor: {part:.0%} of {of} each")
    if tally.peak:
        text = f"memory: at most {format_memory(tally.peak)}"
        if used is not None and used.memory is not None:
            text += f" of {format_memory(used.memory)}"
        words.append(text)
    if tally.done:
        mean = tally.seconds / tally.done
        words.append(
            f"a job took {duration(mean)}, the longest {duration(tally.longest_s)}"
        )
    return ["; ".join(words)] if words else []


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {n:,}" for what, n in counts.items())


def _advice(advice: Advice) -> str:
    words = []
    if advice.memory is not None:
        words.append(f'memory="{format_memory(advice.memory)}"')
    if advice.walltime_s is not None:
        minutes = round(advice.walltime_s / 60)
        words.append(f'walltime="{minutes // 60}:{minutes % 60:02}:00"')
    if advice.cores is not None:
        words.append(f"cores={advice.cores}")
    return ", ".join(words)
