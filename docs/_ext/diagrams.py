"""State diagrams as SVG, drawn from transition tables without any other program.

A layout says in which column and row each state stands; edges are the table's. A step
that leads from every state that is not final to one and the same is drawn once, as an
arrow "from any". A state without a place, or a place without a state, is an error, so a
changed table is noticed by the build.
"""

import html
import math

WIDTH, HEIGHT = 118, 38
COLUMN, ROW = 205, 118
MARGIN = 60


def draw(name, table, places, label, final=(), extra=()):
    """Return an SVG of a transition table.

    Args:
        name: Unique in a page, for the arrow heads.
        table: State to step to state, as in `gridmap.lifecycle`.
        places: Name of each state to its column and row.
        label: Turns a step into a text.
        final: States nothing leads out of.
        extra: Pairs of a text and a state: further arrows "from any".
    """
    states = list(table)
    missing = {state.name for state in states} ^ set(places)
    if missing:
        msg = f"diagram {name}: no place, or no state, for {sorted(missing)}"
        raise ValueError(msg)
    anywhere = dict(_from_any(table, final))
    edges = {}
    for source, row in table.items():
        for step, target in row.items():
            if anywhere.get(step) is not target:
                edges.setdefault((source, target), []).append(label(step))
    arrivals = {}
    for step, target in anywhere.items():
        arrivals.setdefault(target, []).append(label(step))
    for text, target in extra:
        arrivals.setdefault(target, []).append(text)
    centre = {s: _centre(places[s.name]) for s in states}
    parts = []
    for (source, target), texts in edges.items():
        if source is target:
            below = places[source.name][1] > 0
            parts.append(_loop(name, centre[source], texts, below=below))
        else:
            both = (target, source) in edges
            parts.append(_edge(name, centre[source], centre[target], texts, both))
    parts += [_arrival(name, centre[state], texts) for state, texts in arrivals.items()]
    parts += [_box(state, centre[state], state in final) for state in states]
    width = max(x for x, _ in centre.values()) + WIDTH / 2 + MARGIN
    height = max(y for _, y in centre.values()) + HEIGHT / 2 + MARGIN
    return _frame(name, width, height, parts)


def _from_any(table, final):
    lively = [row for state, row in table.items() if state not in final and row]
    steps = set().union(*lively)
    for step in sorted(steps, key=str):
        targets = {row.get(step) for row in lively}
        if len(lively) > 1 and len(targets) == 1 and targets <= set(final):
            yield step, targets.pop()


def _centre(place):
    column, row = place
    return MARGIN + WIDTH / 2 + column * COLUMN, MARGIN + HEIGHT / 2 + row * ROW


def _frame(name, width, height, parts):
    head = (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="States: {name}" '
        'xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="13">'
        f'<defs><marker id="{name}-head" viewBox="0 0 10 10" refX="9" refY="5" '
        'markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0 L10 5 L0 10 z" fill="currentColor"/></marker></defs>'
    )
    return (
        f'<div class="state-diagram">\n{head}\n' + "\n".join(parts) + "\n</svg></div>\n"
    )


def _box(state, centre, final):
    x, y = centre
    inner = (
        f'<rect x="{x - WIDTH / 2 + 3:.1f}" y="{y - HEIGHT / 2 + 3:.1f}" '
        f'width="{WIDTH - 6}" height="{HEIGHT - 6}" rx="7" fill="none" '
        'stroke="currentColor" stroke-width="0.8"/>'
        if final
        else ""
    )
    return (
        f'<g><rect x="{x - WIDTH / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="9" style="fill: var(--color-background-secondary)" '
        f'stroke="currentColor" stroke-width="1.4"/>{inner}'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" fill="currentColor" '
        f'font-weight="600">{html.escape(state.name)}</text></g>'
    )


def _edge(name, start, end, texts, both):
    (x1, y1), (x2, y2) = start, end
    dx, dy = x2 - x1, y2 - y1
    length = math.hypot(dx, dy)
    nx, ny = -dy / length, dx / length  # to the right of the way, as on a street
    bend = (26 if abs(dx) > abs(dy) else 64) if both else 0
    mx, my = (x1 + x2) / 2 + nx * bend, (y1 + y2) / 2 + ny * bend
    sx, sy = _border(start, (mx, my))
    tx, ty = _border(end, (mx, my))
    path = f"M{sx:.1f} {sy:.1f} Q{mx:.1f} {my:.1f} {tx:.1f} {ty:.1f}"
    share = 0.5 if both or not (dx and dy) else 0.3
    lx, ly = _on_curve((sx, sy), (mx, my), (tx, ty), share)
    return _path(name, path) + _texts(lx, ly, texts)


def _on_curve(a, b, c, t):
    return tuple(
        (1 - t) ** 2 * p + 2 * t * (1 - t) * q + t**2 * r
        for p, q, r in zip(a, b, c, strict=True)
    )


def _border(centre, towards):
    x, y = centre
    dx, dy = towards[0] - x, towards[1] - y
    scale = min(
        (WIDTH / 2 + 2) / abs(dx) if dx else math.inf,
        (HEIGHT / 2 + 2) / abs(dy) if dy else math.inf,
    )
    return x + dx * scale, y + dy * scale


def _loop(name, centre, texts, *, below):
    x, y = centre
    side = 1 if below else -1
    edge = y + side * (HEIGHT / 2 + 2)
    far = edge + side * 32
    path = f"M{x - 16:.1f} {edge:.1f} C{x - 24:.1f} {far:.1f} {x + 24:.1f} {far:.1f} {x + 16:.1f} {edge:.1f}"
    middle = edge + side * (28 + 14 * (len(texts) - 1) / 2)
    return _path(name, path) + _texts(x, middle, texts)


def _arrival(name, centre, texts):
    x, y = centre
    bottom = y + HEIGHT / 2 + 2
    path = f"M{x:.1f} {bottom + 26:.1f} L{x:.1f} {bottom:.1f}"
    return _path(name, path) + _texts(x, bottom + 38, [f"from any: {', '.join(texts)}"])


def _path(name, path):
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.2" '
        f'opacity="0.75" marker-end="url(#{name}-head)"/>'
    )


def _texts(x, y, texts):
    lines = []
    for number, text in enumerate(texts):
        dy = y + 4 + 14 * (number - (len(texts) - 1) / 2)
        lines.append(
            f'<text x="{x:.1f}" y="{dy:.1f}" text-anchor="middle" fill="currentColor" '
            'style="paint-order: stroke; stroke: var(--color-background-primary); '
            f'stroke-width: 5px; stroke-linejoin: round">{html.escape(text)}</text>'
        )
    return "".join(lines)
