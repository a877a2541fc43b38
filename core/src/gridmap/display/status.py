"""How a map stands, as text for a terminal of some width. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.resources import format_memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.display.tally import Tally

_LEAST_BAR: Final = 10
_MOST_BAR: Final = 60
_LONGEST: Final = 400
"""Characters of anything that is said about a map."""
_SEPARATOR: Final = " \N{MIDDLE DOT} "
_ASCII_SEPARATOR: Final = ", "


def duration(seconds: float) -> str:
    """Return a time as people write it: ``8.1 s``, ``4:05``, ``2:00:00``, ``3 d 4 h``."""
    if seconds < 10:  # noqa: PLR2004 - two digits are enough
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - beyond two days nobody counts minutes
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{hours // 24} d {hours % 24} h"


def rate(per_second: float) -> str:
    """Return how many in a time, the time so long that there is one at least."""
    for times, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * times >= 1:
            number = per_second * times
            return f"{number:,.0f}/{unit}" if number >= 10 else f"{number:.1f}/{unit}"  # noqa: PLR2004
    return f"{per_second * 86400:.1f}/d"


def one_line(text: str, width: int) -> str:
    """Return a text on one line of printable characters, no longer than *width*."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return (
        line
        if len(line) <= width
        else line[: max(0, width - 1)] + "\N{HORIZONTAL ELLIPSIS}"
    )


def counts(tally: Tally) -> list[str]:
    """Return what happens to the jobs, the most important first."""
    overview, lost = tally.overview, tally.lost
    running = overview.running
    queued = tally.total - tally.done - lost - running
    parts = [f"{lost:,} failed"] if lost else []
    if running:
        parts.append(f"{running:,} running")
    if queued > 0:
        parts.append(f"{queued:,} queued")
    per_second = overview.rate()
    if per_second and running:
        parts.append(rate(per_second))
    return parts


def means(tally: Tally) -> list[str]:
    """Return what the map runs on, the most important first."""
    overview = tally.overview
    up, waiting = len(overview.up), overview.pending
    parts = []
    if up:
        parts.append(f"{overview.running:,} of {_runners(up)} busy")
    if waiting:
        parts.append(f"{_runners(sum(waiting.values()))} waiting")
    if overview.rss:
        parts.append(format_memory(overview.rss))
    if not up and (reason := next((r for r in waiting if r), "")):
        parts.append(reason)
    said = tally.said
    if said is not None:
        parts.append(
            f"job {said.job}: {_amount(said.done, said.total)} {said.text}".rstrip()
        )
    return parts


def _runners(count: int) -> str:
    return f"{count:,} runner" if count == 1 else f"{count:,} runners"


def _amount(done: float, total: float | None) -> str:
    return f"{done:,.6g}" if total is None else f"{done:,.6g}/{total:,.6g}"


def remaining(tally: Tally) -> str:
    """Return how long it will take yet; empty if nobody can tell."""
    overview, part = tally.overview, tally.part
    left = overview.remaining_s()
    if left is None and overview.samples and tally.total:
        first = overview.samples[0]  # when a run was resumed, much may have been done
        made = part - (first.done + first.failed) / tally.total
        if made > 0.05:  # noqa: PLR2004 - a guess
            left = (overview.at - first.at) * (1 - part) / made
    return "" if left is None or part >= 1 else f"{duration(left)} left"


def fitting(parts: Iterable[str], width: int, separator: str = _SEPARATOR) -> str:
    """Return as many of the parts, from the first on, as there is room for."""
    line = ""
    for part in (one_line(part, _LONGEST) for part in parts):
        longer = line + separator + part if line else part
        if len(longer) > width:
            if not line:
                return one_line(part, width)
            room = width - len(line) - len(separator)
            return line + separator + one_line(part, room) if room > 12 else line  # noqa: PLR2004
        line = longer
    return line


def lines(tally: Tally, name: str, width: int, *, plain: bool = False) -> list[str]:
    """Return two lines that say how the map stands.

    Args:
        tally: The map.
        name: What it is called.
        width: Characters of a line.
        plain: Whether to keep to ASCII.
    """
    total, over = tally.total, tally.done + tally.lost
    separator = _ASCII_SEPARATOR if plain else _SEPARATOR
    head = one_line(name, max(8, width // 4))
    tail = f" {tally.part:4.0%} {over:,}/{total:,}"
    left = remaining(tally)
    if left and len(head) + len(tail) + len(left) + _LEAST_BAR + 4 <= width:
        tail += separator + left
    room = min(_MOST_BAR, width - len(head) - len(tail) - 1)
    bar = drawn(tally.part, room, plain=plain) if room >= _LEAST_BAR else ""
    first = f"{head} {bar}{tail}" if bar else f"{head}{tail}"
    second = fitting([*counts(tally), *means(tally)], width - 2, separator)
    told = [first, f"  {second}"] if second else [first]
    if plain:
        told = [line.encode("ascii", errors="replace").decode() for line in told]
    return [line[:width] for line in told]


def drawn(part: float, width: int, *, plain: bool = False) -> str:
    """Return a bar."""
    full = round(part * width)
    if plain:
        return "#" * full + "." * (width - full)
    return (
        "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * full
        + "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (width - full)
    )


def log_line(tally: Tally, name: str) -> str:
    """Return a line for a log."""
    over = tally.done + tally.lost
    first = f"{one_line(name, 40)}: {over:,} of {tally.total:,} jobs ({tally.part:.0%})"
    parts = [first, *counts(tally), *means(tally)]
    if left := remaining(tally):
        parts.append(left)
    return one_line(_ASCII_SEPARATOR.join(parts), 300)
