"""The drawings of a report, as SVG in the page itself. Pure."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.report.summary import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_WIDTH: Final = 960
_LABELS: Final = 150
_ROW: Final = 14
_MOST_LANES: Final = 80
_BINS: Final = 24
_HEIGHT: Final = 150
_MOST_STEPS: Final = 8
_ROUND_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
)  # fmt: skip
_NEARLY: Final = 1 + 1e-9
_SHORT_S: Final = 2
"""Below that seconds are no round steps."""
_TIGHT: Final = 30
"""Where the last number would stand beyond the edge."""
_LEAST: Final = 1e-12
_TINY: Final = 1e-6
"""What is smaller is not told apart: it may be too small to be divided."""
_FINEST: Final = 100
"""Of how many steps the largest value has at most: labels have three digits."""
_WIDE: Final = 30.0
"""Where the largest value is so many times the median, bins grow by factors."""


@attrs.define
class _Bar:
    """Jobs one after another that are drawn as one, since a pixel holds no more."""

    begin: float
    end: float
    first: Row
    jobs: int = 1
    bad: bool = False


def timeline(rows: Iterable[Row], took_s: float, scale: Scale) -> tuple[str, str]:
    """Draw when jobs ran, a lane for each runner, runners of a node together.

    Args:
        rows: All jobs.
        took_s: Seconds that the whole takes.
        scale: How a time is written.

    Returns:
        The drawing, empty if there is nothing to draw, and what it leaves out.
    """
    lanes: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.end is not None:
            lanes[row.node or "unknown", row.runner].append(row)
    if not lanes or took_s <= 0:
        return "", ""
    shown = sorted(lanes, key=lambda lane: -len(lanes[lane]))[:_MOST_LANES]
    left_out = ""
    if len(shown) < len(lanes):
        left_out = (
            f"Of {len(lanes):,} runners the {len(shown)} that ran most jobs are drawn."
        )
    shown.sort()
    parts, before = [], ""
    factor = (_WIDTH - _LABELS) / took_s
    for number, lane in enumerate(shown):
        top = number * _ROW
        if lane[0] != before:
            parts.append(_text(_LABELS - 8, top + _ROW - 4, lane[0], "end"))
            parts.append(f'<path class="rule" d="M0 {top}H{_WIDTH}"/>')
            before = lane[0]
        parts += [_bar(bar, top, factor) for bar in _bars(lanes[lane], 1 / factor)]
    bottom = len(shown) * _ROW
    parts += _axis(bottom, took_s, scale, _LABELS, _WIDTH - _LABELS)
    nodes = _some(len({node for node, _ in shown}), "node")
    label = f"When jobs ran, on {nodes}"
    return _svg(bottom + 24, label, parts), left_out


def _bars(rows: list[Row], pixel_s: float) -> Iterable[_Bar]:
    bar: _Bar | None = None
    for begin, end, row in sorted(map(_times, rows), key=lambda each: each[:2]):
        bad = row.state == "failed"
        small = bar is not None and end - bar.begin < pixel_s
        if bar is not None and small and bar.bad == bad:
            bar.end, bar.jobs = max(bar.end, end), bar.jobs + 1
            continue
        if bar is not None:
            yield bar
        bar = _Bar(begin, end, row, bad=bad)
    if bar is not None:
        yield bar


def _times(row: Row) -> tuple[float, float, Row]:
    """Return when it began and ended; where only its end is known, that alone."""
    end = row.end or 0.0
    return (end if row.begin is None else row.begin), end, row


def _bar(bar: _Bar, top: float, factor: float) -> str:
    row = bar.first
    width = max(1.5, (bar.end - bar.begin) * factor - 0.5)
    what = f"job {row.job}" if bar.jobs == 1 else f"{bar.jobs:,} jobs from {row.job} on"
    told = f"{what}, {row.cause or row.state}"
    if bar.end > bar.begin:
        told += f", {bar.end - bar.begin:.3g} s"
    return (
        f'<rect class="{"bad" if bar.bad else "good"}" x="{_LABELS + bar.begin * factor:.1f}"'
        f' y="{top + 1}" width="{width:.1f}" height="{_ROW - 2}">'
        f"<title>{html.escape(told)}</title></rect>"
    )


def histogram(
    values: Sequence[float], scale: Scale, label: str, unit: float = 1.0
) -> str:
    """Draw how many jobs have values of which size.

    Args:
        values: At least one, the smallest first, none below 0.
        scale: How a value is written.
        label: What is drawn, for whoever cannot see it.
        unit: Of what round numbers are made.
    """
    edges = _edges(values, unit)
    counts = [0] * (len(edges) - 1)
    place = 0
    for value in values:
        while place < len(counts) - 1 and value >= edges[place + 1]:
            place += 1
        counts[place] += 1
    most = max(counts)
    width = (_WIDTH - _LABELS) / len(counts)
    parts = []
    for number, count in enumerate(counts):
        height = _HEIGHT * count / most
        bounds = f"{scale(edges[number])} to {scale(edges[number + 1])}"
        told = f"{bounds}: {_some(count, 'job')}"
        parts.append(
            f'<rect class="good" x="{_LABELS + number * width:.1f}" '
            f'y="{_HEIGHT - height + 8:.1f}" width="{width - 1:.1f}" '
            f'height="{height:.1f}"><title>{html.escape(told)}</title></rect>'
        )
    bottom = _HEIGHT + 8
    parts.append(f'<path class="rule" d="M{_LABELS} {bottom}H{_WIDTH}"/>')
    parts.append(_text(_LABELS - 8, 18, _some(most, "job"), "end"))
    step = max(1, len(edges) // 6)
    for number in range(0, len(edges) - step // 2, step):
        at = _LABELS + number * width
        anchor = "end" if number == len(edges) - 1 else "middle"
        parts.append(_text(at, bottom + 16, scale(edges[number]), anchor))
    return _svg(bottom + 24, label, parts)


def _edges(values: Sequence[float], unit: float) -> list[float]:
    """Return the bins' edges: equal steps, or equal factors where values differ much."""
    least, most = values[0], values[-1]
    median = values[len(values) // 2]
    if median > 0 and most > max(_WIDE * median, _TINY):
        low = max(least, median / 1000, most / 1e9)
        factor = (most / low) ** (1 / _BINS)
        return [low * factor**n for n in range(_BINS)] + [most]
    low = 0.0 if least < most / 2 or least == most else least
    step = max(((most - low) or unit) / _BINS, most / _FINEST)
    step = _round_up(step / unit) * unit
    first = math.floor(low / step)
    return [step * n for n in range(first, max(first + 1, math.ceil(most / step)) + 1)]


def _round_up(number: float) -> float:
    """Return the next of 1, 2, 5 and their tenfolds and tenths."""
    number = max(number, _LEAST)
    power = 10.0 ** math.floor(math.log10(number))
    return next(n * power for n in (1, 2, 5, 10) if number <= n * power * _NEARLY)


def curve(points: Sequence[tuple[float, float]], scale: Scale, label: str) -> str:
    """Draw a quantity over time as steps.

    Args:
        points: Seconds since the start, and the quantity; at least two.
        scale: How a time is written.
        label: What is drawn.
    """
    last = points[-1][0] or 1.0
    most = max(value for _, value in points) or 1.0
    factor, height = (_WIDTH - _LABELS) / last, _HEIGHT / 2
    steps = [
        f"H{_LABELS + at * factor:.1f}V{8 + height * (1 - value / most):.1f}"
        for at, value in points
    ]
    bottom = height + 8
    path = f"M{_LABELS} {bottom}{''.join(steps)}V{bottom}Z"
    parts = [f'<path class="area" d="{path}"/>']
    parts.append(_text(_LABELS - 8, 18, f"{most:,.0f}", "end"))
    parts += _axis(bottom, last, scale, _LABELS, _WIDTH - _LABELS)
    return _svg(bottom + 24, label, parts)


def _axis(
    top: float, last: float, scale: Scale, left: float, width: float
) -> Iterable[str]:
    yield f'<path class="rule" d="M{left} {top}H{left + width}"/>'
    step = _step(last)
    for number in range(int(last / step) + 1):
        at = left + width * number * step / last
        anchor = "end" if at > left + width - _TIGHT else "middle"
        yield f'<path class="rule" d="M{at:.1f} {top}v4"/>'
        yield _text(at, top + 17, scale(number * step), anchor)


def _step(last: float) -> float:
    """Return a round step of which *last* has at most eight, and if it can four."""
    for step in _ROUND_S:
        if last > _SHORT_S and last <= _MOST_STEPS * step:
            return float(step)
    return _round_up(last / _MOST_STEPS)


def _some(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(height: float, label: str, parts: Iterable[str]) -> str:
    name = html.escape(label, quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{name}">'
        f"{''.join(parts)}</svg>"
    )


if TYPE_CHECKING:
    Scale = Callable[[float], str]
