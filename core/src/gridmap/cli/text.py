"""Words on a terminal, in a pipe or as JSON.

On a terminal lines are folded to its width. Elsewhere nothing is folded, so that
`grep` finds whole lines, and `click.echo` leaves the colours out.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

_ENDLESS: Final = 1_000_000
_NARROW: Final = 24
"""A last column narrower than this is no use: it goes on lines of its own."""
_GAP: Final = "  "

_STYLES: Final[dict[str, dict[str, object]]] = {
    "": {},
    "heading": {"bold": True},
    "strong": {"bold": True},
    "faint": {"dim": True},
    "good": {"fg": "green"},
    "doubtful": {"fg": "yellow"},
    "bad": {"fg": "red", "bold": True},
}


class Cell(NamedTuple):
    """One entry of a table.

    Attributes:
        text: What is printed.
        style: How; a key of the styles of this module.
    """

    text: str
    style: str = ""


def paint(text: str, style: str) -> str:
    """Return *text* with the colours of a style."""
    styles = _STYLES[style]
    return click.style(text, **styles) if styles and text else text  # type: ignore[arg-type]


def width(stream: TextIO | None = None) -> int:
    """Return how many columns there are to print in; None: on standard output."""
    if not (stream or sys.stdout).isatty():
        return _ENDLESS
    from shutil import get_terminal_size  # noqa: PLC0415 - only in a terminal

    return max(_NARROW, get_terminal_size().columns)


def paragraph(text: str, *, indent: int = 0, style: str = "") -> None:
    """Print a text, folded, every line of it indented."""
    for line in _fold(text, width() - indent):
        click.echo(" " * indent + paint(line, style))


def complain(message: str) -> None:
    """Print a message on standard error, folded.

    Not with `click.echo`: it would go past a bar, which has put itself in the place
    of standard error, and into the middle of its line.
    """
    for line in _fold(message, width(sys.stderr)):
        print(line, file=sys.stderr)


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> None:
    """Print a table whose last column is folded into what width is left."""
    cells = [[Cell(text, "heading") for text in headings]] if headings else []
    cells += [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    if not cells:
        return
    sizes = [
        max(len(cell.text) for cell in column) for column in zip(*cells, strict=True)
    ]
    for row in cells:
        _print_row(row, sizes[:-1])


def _print_row(row: Sequence[Cell], sizes: Sequence[int]) -> None:
    *first, last = row
    start = sum(sizes) + len(_GAP) * len(sizes)
    left = "".join(
        paint(cell.text, cell.style) + " " * (size - len(cell.text)) + _GAP
        for cell, size in zip(first, sizes, strict=True)
    )
    room = width() - start
    if room < _NARROW and len(last.text) > room:
        click.echo(left.rstrip())
        paragraph(last.text, indent=4, style=last.style)
        return
    lines = _fold(last.text, room) or [""]
    click.echo((left + paint(lines[0], last.style)).rstrip())
    for line in lines[1:]:
        click.echo(" " * start + paint(line, last.style))


def _fold(text: str, room: int) -> list[str]:
    return [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(
            part, max(room, _NARROW), break_on_hyphens=False, break_long_words=False
        )
        or [""]
    ]


def as_json(value: object) -> None:
    """Print a value as JSON; what JSON does not know is printed as its text."""
    click.echo(json.dumps(value, indent=2, default=str))
