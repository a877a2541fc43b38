"""Which run a command is about, and how it stands: over its socket, else its record."""

from __future__ import annotations

import difflib
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from gridmap.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from gridmap.control.register import Entry, Register
    from gridmap.overview import Overview

    _Command = TypeVar("_Command", bound=Callable[..., Any])
    _TextType = click.ParamType[str]
    _NumberType = click.ParamType[int]
    _SpanType = click.ParamType[tuple[int, int]]
else:
    # Generic only since click 8.4.
    _TextType = _NumberType = _SpanType = click.ParamType

_SPAN: Final = re.compile(r"(\d+)(?:-(\d+))?")


class RunName(_TextType):
    """What a run is called: its name, its id, its directory."""

    name = "run"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the runs there are records of, newest first."""
        del param
        from gridmap.errors import RunError  # noqa: PLC0415 - see gridmap.cli

        try:
            entries = register(ctx.params.get("records")).entries()
        except RunError:  # told where it is asked for; a Tab is no place to
            return []
        words: dict[str, str] = {}
        for entry in entries:
            words.setdefault(entry.record.name, entry.name)
            words[entry.short] = entry.record.name
        return [
            CompletionItem(word, help=what)
            for word, what in words.items()
            if word.startswith(incomplete)
        ]


class JobNumber(_NumberType):
    """A job's number."""

    name = "job"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return it."""
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no job: say its number, such as 17", param, ctx)
        return int(value)


class JobSpan(_SpanType):
    """A job's number, or a stretch of them: ``17`` or ``20-29``."""

    name = "job"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return the first and one past the last."""
        if isinstance(value, tuple):
            return value
        match = _SPAN.fullmatch(str(value))
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            self.fail(f"{value!r} is no job: say 17, or 20-29 for several", param, ctx)
        return int(match[1]), int(match[2] or match[1]) + 1


def records_option(command: _Command) -> _Command:
    """Add ``--records``."""
    return click.option(
        "--records",
        metavar="DIRECTORY",
        is_eager=True,
        help="Where records of runs are kept, if not where the settings say.",
    )(command)


def register(records: str | None) -> Register:
    """Return the user's records.

    Args:
        records: Where they are; None takes the settings.
    """
    from gridmap.control.register import Register  # noqa: PLC0415 - see gridmap.cli
    from gridmap.settings import load_settings  # noqa: PLC0415

    given = {"record_directory": records} if records else None
    return Register(load_settings(given)[0].records())


def find(wanted: str | None, records: str | None) -> Entry:
    """Return the run that is meant.

    Args:
        wanted: What the user said; None: the newest that goes on, else the newest.
        records: Where records are; None takes the settings.

    Raises:
        InvalidRequestError: If there is none; names those there are.
    """
    from gridmap.control import register as register_module  # noqa: PLC0415

    place = register(records)
    entries = place.entries()
    if not entries:
        msg = (
            f"there is no run yet that {place.path} has a record of: call grid_map, or "
            "name another place with --records"
        )
        raise InvalidRequestError(msg)
    if wanted is None:
        return next((entry for entry in entries if not entry.over), entries[0])
    found = register_module.find(entries, wanted)
    found = found or register_module.find(place.entries(earlier=True), wanted)
    if found is None:
        raise InvalidRequestError(_unknown(wanted, entries))
    return found


def find_alone(wanted: str, records: str | None) -> Entry:
    """Return the run that is meant, to give it an order; see `find`.

    Raises:
        InvalidRequestError: If there is none, or several that go on; names them.
    """
    from gridmap.control import register as register_module  # noqa: PLC0415

    found = find(wanted, records)
    entries = register_module.matching(register(records).entries(), wanted)
    going_on = [entry for entry in entries if not entry.over]
    if len(going_on) > 1:
        told = ", ".join(
            f"{entry.short} (process {entry.record.driver.pid} on "
            f"{entry.record.driver.host})"
            for entry in going_on
        )
        msg = f"{len(going_on)} runs called {wanted!r} go on: say which, {told}"
        raise InvalidRequestError(msg)
    return found


def _unknown(wanted: str, entries: list[Entry]) -> str:
    names = list(dict.fromkeys(entry.record.name for entry in entries))
    words = [*names, *(entry.short for entry in entries)]
    last = PurePath(wanted).name
    close = difflib.get_close_matches(last, words, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    called = dict.fromkeys(f"{entry.record.name} ({entry.short})" for entry in entries)
    latest = ", ".join(list(called)[:3])
    return (
        f"there is no run {wanted!r}.{hint} The latest are: {latest}; `gridmap runs` "
        "lists all"
    )


def look(entry: Entry) -> Overview:
    """Return how a run stands: now, if its process answers; else as was written down."""
    from gridmap.control.client import Control  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import RunError  # noqa: PLC0415

    if not entry.over:
        try:
            with Control(entry.record.token, entry.record.driver) as control:
                return control.look().overview()
        except RunError:
            pass  # it ended just now, or is on another host
    return entry.record.overview()


def span(seconds: float) -> str:
    """Return a time in words that are short: 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    whole = int(seconds)
    for unit, size, less, small in (
        ("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1),
    ):  # fmt: skip
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"  # noqa: PLR2004
