"""Curves of what `benchmarks/growth.py` has measured, as SVG without any other program.

Both axes are logarithmic. Colours can be told apart on light and dark, and each line has
a mark of its own too, for those who see no colours.
"""

import html
import json
import math
from pathlib import Path

MEASURED = Path(__file__).resolve().parents[1] / "measured" / "growth.json"

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 66, 216, 16, 52
LEGEND_ROW = 22
MOST_LABELS = 7
LOOKS = {
    "gridmap": ("#e4572e", "circle"),
    "multiprocessing": ("#8a8f98", "square"),
    "joblib": ("#3b8eea", "triangle"),
    "ProcessPoolExecutor": ("#18a57b", "diamond"),
    "dask.distributed": ("#d9940a", "square"),
    "Parsl": ("#a06cd5", "triangle"),
    "Ray": ("#d1609f", "diamond"),
    "grid_map, with its start": ("#e4572e", "square"),
    "gridmap, simulated": ("#e4572e", "square"),
    "of that, the driver's": ("#e4572e", "triangle"),
}
"""Colour and mark of each line."""
OURS = LOOKS["gridmap"][0]
BROKEN = frozenset({
    "grid_map, with its start", "gridmap, simulated", "of that, the driver's",
})  # fmt: skip
TIMES = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = ((10**9, "GB"), (10**6, "MB"), (1000, "kB"), (1, "B"))


def jobs():
    """Draw the time a job against the number of jobs."""
    return _draw("jobs in one map", _measured("jobs"), _count)


def runners():
    """Draw the time a job against the number of runners, with the simulated ones."""
    simulated = _measured("fleet")
    lines = _measured("runners") | {
        "gridmap, simulated": simulated["all"],
        "of that, the driver's": simulated["driver"],
    }
    return _draw("runners, or workers", lines, _count)


def payload():
    """Draw the time of a job against what it is sent and sends back."""
    return _draw("bytes there, and the same back", _measured("payload"), _bytes)


def conditions():
    """Say in a sentence with what, and at what load, it was measured."""
    told = json.loads(MEASURED.read_text())
    versions = [
        f"{name} {version}"
        for name, version in told["versions"].items()
        if not version.startswith("Python")
    ]
    python = next(v for v in told["versions"].values() if v.startswith("Python"))
    loads = [load for pair in told["load"].values() for load in pair]
    return (
        f"{python} on {told['cores']} cores; {', '.join(versions)}.\n"
        f"The load, our own included, was between {min(loads):g} and {max(loads):g}.\n"
    )


def _measured(what):
    curves = json.loads(MEASURED.read_text())["curves"][what]
    return {
        name: [(int(size), seconds) for size, seconds in curve.items()]
        for name, curve in curves.items()
        if curve
    }


def _draw(across, lines, name_size):
    points = [point for line in lines.values() for point in line]
    x_of = _scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    y_of = _scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = []
    for power in x_of.powers:
        x = x_of(10.0**power)
        parts.append(_rule(x, TOP, x, HEIGHT - BOTTOM))
        if power % x_of.step == 0:
            label = name_size(10**power)
            parts.append(_text(x, HEIGHT - BOTTOM + 18, label, "middle"))
    for power in y_of.powers:
        y = y_of(10.0**power)
        parts.append(_rule(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, _unit(10.0**power, TIMES), "end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 10, across, "middle"))
    # Ours last, so that nothing lies on it.
    parts += [
        _line(name, [(x_of(x), y_of(y)) for x, y in lines[name]])
        for name in sorted(lines, key=lambda name: LOOKS[name][0] == OURS)
    ]
    parts += _legend({name: y_of(line[-1][1]) for name, line in lines.items()})
    return (
        f'<div class="state-diagram">\n<svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="Time a job against {html.escape(across)}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="13">\n'
        + "\n".join(parts)
        + "\n</svg></div>\n"
    )


class _scale:  # noqa: N801 - a function that knows its powers
    """Places of values on a logarithmic axis of whole powers of ten."""

    def __init__(self, values, begin, end):
        low, high = math.log10(min(values)), math.log10(max(values))
        self._low, self._high = low - 0.03 * (high - low), high + 0.03 * (high - low)
        self._begin, self._end = begin, end
        self.powers = range(math.ceil(self._low), math.floor(self._high) + 1)
        self.step = 1 if len(self.powers) <= MOST_LABELS else 3

    def __call__(self, value):
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)


def _legend(ends):
    """Name the lines beside the plot, as near to their ends as there is room."""
    parts, free = [], TOP
    for name, y in sorted(ends.items(), key=lambda item: item[1]):
        free = max(free + LEGEND_ROW, min(y, HEIGHT - BOTTOM - LEGEND_ROW))
        colour, mark = LOOKS[name]
        x = WIDTH - RIGHT + 22
        parts.append(_mark(mark, x, free, colour))
        weight = "700" if name == "gridmap" else "400"
        parts.append(_text(x + 12, free + 4.5, name, "start", weight))
    return parts


def _line(name, places):
    colour, mark = LOOKS[name]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dashes = ' stroke-dasharray="5 4"' if name in BROKEN else ""
    width = 2.6 if name == "gridmap" else 1.6
    line = (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
        f"{dashes}/>"
    )
    return line + "".join(_mark(mark, x, y, colour) for x, y in places)


def _mark(mark, x, y, colour):
    if mark == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" fill="{colour}"/>'
    corners = {
        "square": ((-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)),
        "triangle": ((0, -4.8), (4.6, 3.4), (-4.6, 3.4)),
        "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
    }[mark]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def _rule(x1, y1, x2, y2):
    return (
        f'<path d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}" stroke="currentColor" '
        'stroke-width="0.8" opacity="0.18"/>'
    )


def _text(x, y, text, anchor, weight="400"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" '
        f'font-weight="{weight}">{html.escape(text)}</text>'
    )


def _count(size):
    return f"{size:,}"


def _bytes(size):
    return _unit(size, BYTES)


def _unit(value, units):
    # Powers of ten, which are not quite what they are called.
    factor, name = next(unit for unit in units if value >= unit[0] * 0.999)
    return f"{value / factor:.0f} {name}"
