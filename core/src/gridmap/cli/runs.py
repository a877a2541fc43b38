"""``gridmap runs``: the user's runs, live and past."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import json_option
from gridmap.cli.watching import records_option

if TYPE_CHECKING:
    from gridmap.cli.text import Cell
    from gridmap.control.register import Entry
    from gridmap.overview import Overview

_STYLES: Final = {"running": "strong", "done": "good", "failed": "bad", "died": "bad"}


@click.command("runs", short_help="List your runs, live and past.")
@click.option("-l", "--live", is_flag=True, help="Only those that go on.")
@click.option(
    "-n", "--most", type=click.IntRange(1), default=20, help="Rows at most; 20."
)
@records_option
@json_option
def command(*, live: bool, most: int, records: str | None, as_json: bool) -> None:
    """List your runs, the newest first: those that go on, and those that are over.

    What is known of a run whose process was killed is what it wrote down last.
    """
    from gridmap.cli import text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control import plain  # noqa: PLC0415

    place = watching.register(records)
    known = place.entries(None if live else most)
    entries = [entry for entry in known if not (live and entry.over)]
    seen = [(entry, watching.look(entry)) for entry in entries[:most]]
    if as_json:
        text.as_json({"runs": [plain.run(entry, view) for entry, view in seen]})
    elif not seen:
        which = "no run goes on" if live else "there is no run yet"
        text.paragraph(f"As far as {place.path} tells, {which}.")
    else:
        headings = ("Run", "Name", "Backend", "Began", "State", "Jobs")
        text.table(headings, [_row(entry, view) for entry, view in seen])
        total = len(place.names())
        if not live and total > most:
            text.paragraph(
                f"… and {total - most} older ones: --most {total}", style="faint"
            )


def _row(entry: Entry, view: Overview) -> list[Cell | str]:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control import plain  # noqa: PLC0415

    state = plain.condition(entry, view)
    began = time.strftime("%d %b %H:%M", time.localtime(view.started or view.at))
    return [
        text.Cell(entry.short, "strong"),
        view.name if len(view.name) <= _LONGEST else view.name[: _LONGEST - 1] + "…",
        view.backend,
        began,
        text.Cell(state, _STYLES[state]),
        counts(view),
    ]


_LONGEST: Final = 20


def counts(view: Overview) -> str:
    """Return how many jobs there are and how they are."""
    from gridmap.lifecycle import JobState  # noqa: PLC0415 - see gridmap.cli

    done, failed = view.count(JobState.DONE), view.count(JobState.FAILED)
    text = f"{done:,} of {view.total:,} done"
    return text + (f", {failed:,} failed" if failed else "")
