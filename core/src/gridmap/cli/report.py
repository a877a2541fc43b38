"""``gridmap report``: a page about a run that can be mailed to a colleague."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import json_option
from gridmap.cli.watching import RunName, records_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.control.register import Entry
    from gridmap.report import Summary

FORMATS: Final = ("html", "json", "csv")


@click.command("report", short_help="Write a page about a run, to be sent around.")
@click.argument("run", required=False, type=RunName())
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    help="A page (the default), all of it as JSON, or its jobs as CSV.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The file; - is standard output. Else it is named after the run, here; "
    "standard output where that is a pipe or a file.",
)
@records_option
@json_option
def command(
    *,
    run: str | None,
    form: str,
    output: str | None,
    records: str | None,
    as_json: bool,
) -> None:
    """Write what became of a run, as a page that can be mailed to a colleague.

    It tells when jobs ran and where, how long they took and how much memory, why some
    failed, and what to ask for next time. The page is one file that needs no network
    and no scripts. RUN is its name, its id as `gridmap runs` shows it, or its
    directory; without it the newest that goes on, else the newest. A run that goes on
    is told as it stands now. --json is --format json on standard output.
    """
    from gridmap import report  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import watching  # noqa: PLC0415
    from gridmap.control import plain  # noqa: PLC0415

    entry = watching.find(run, records)
    view = watching.look(entry)
    summary = report.summarize(view, plain.condition(entry, view))
    form = "json" if as_json else form
    path = output or ("-" if as_json else _default(entry, form))
    if path == "-":
        sys.stdout.writelines(_texts(summary, form))
        return
    _write(Path(path), _texts(summary, form))
    click.echo(f"wrote {path}")


def _default(entry: Entry, form: str) -> str:
    return "-" if not sys.stdout.isatty() else f"{entry.name}.{form}"


def _texts(summary: Summary, form: str) -> Iterable[str]:
    import json  # noqa: PLC0415 - see gridmap.cli

    from gridmap import report  # noqa: PLC0415

    if form == "html":
        return [report.as_html(summary)]
    if form == "csv":
        return report.as_csv(summary)
    return [json.dumps(report.as_plain(summary), indent=1), "\n"]


def _write(path: Path, texts: Iterable[str]) -> None:
    from gridmap.errors import GridMapError  # noqa: PLC0415 - see gridmap.cli

    try:
        with path.open("w", encoding="utf-8", newline="", errors="replace") as stream:
            stream.writelines(texts)
    except OSError as error:
        msg = f"the report cannot be written to {path}: {os.strerror(error.errno or 0)}"
        raise GridMapError(msg) from error
