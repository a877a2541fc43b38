"""Reading the inputs of a map from a file: CSV, JSON lines, or lines."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from gridmap.cli import text

if TYPE_CHECKING:
    from collections.abc import Iterator


class Call(msgspec.Struct, frozen=True):
    """The arguments of one call.

    Attributes:
        args: The positional ones.
        kwargs: Those with a name.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}


def read_calls(path: str) -> list[Call]:
    """Return the calls that a file tells of.

    Args:
        path: A ``.csv`` file with a heading: a row is keyword arguments, and what
            looks like a number is one. A ``.jsonl`` file: an object is keyword
            arguments, a list is positional arguments, anything else is the one
            argument. Any other: a line is the one argument, a text. ``-`` is
            standard input, lines.

    Raises:
        click.UsageError: If it cannot be read, or makes no sense; says which line.
    """
    kind = Path(path).suffix.lower()
    read = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}.get(kind, _lines)
    try:
        if path == "-":
            _tell_who_types()
            return list(_lines(sys.stdin))
        with open(path, encoding="utf-8-sig", newline="") as stream:  # noqa: PTH123
            return list(read(stream))
    except OSError as error:
        msg = f"the inputs in {path} cannot be read: {error.strerror}"
        raise click.UsageError(msg) from None
    except (ValueError, csv.Error) as error:
        msg = f"the inputs in {path} make no sense: {error}"
        raise click.UsageError(msg) from None


def read_lines(path: str) -> list[str]:
    """Return the lines of a file, ``-`` is standard input; see `read_calls`."""
    try:
        if path == "-":
            _tell_who_types()
            return [line.rstrip("\r\n") for line in sys.stdin]
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            return [line.rstrip("\r\n") for line in stream]
    except OSError as error:
        msg = f"the inputs in {path} cannot be read: {error.strerror}"
        raise click.UsageError(msg) from None


def _tell_who_types() -> None:
    """Say what is waited for: else it would look as if the command hung."""
    if sys.stdin.isatty():
        text.complain("gridmap: type the inputs, one a line; Ctrl-D ends them")


def _lines(stream: TextIO) -> Iterator[Call]:
    for line in stream:
        yield Call((line.rstrip("\r\n"),))


def _jsonl(stream: TextIO) -> Iterator[Call]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            msg = f"line {number}: {error}"
            raise ValueError(msg) from None
        if isinstance(value, dict):
            yield Call(kwargs=value)
        else:
            yield Call(tuple(value) if isinstance(value, list) else (value,))


def _csv(stream: TextIO) -> Iterator[Call]:
    rows = csv.DictReader(stream, strict=True)
    for row in rows:
        if None in row or None in row.values():
            count = len(rows.fieldnames or ())
            msg = (
                f"line {rows.line_num} does not have {count} fields, as the heading has"
            )
            raise ValueError(msg)
        yield Call(kwargs={name: _value(text) for name, text in row.items()})


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
