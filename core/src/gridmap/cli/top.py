"""``gridmap top``: a full-screen view of a run. Needs Textual: gridmap-core[top]."""

from __future__ import annotations

import importlib.util
import sys

import click

from gridmap.cli.watching import RunName, records_option


@click.command("top", short_help="Watch a run, full-screen.")
@click.argument("run", required=False, type=RunName())
@records_option
def command(*, run: str | None, records: str | None) -> int:
    """Watch a run in the whole terminal: its jobs, its runners, what failed and why.

    RUN is its name, its id or its directory; without it the newest that goes on. The
    keys stand at the bottom; the run is ended only after a question.

    It is for eyes: programs read `gridmap status --json`.

    Needs Textual: pip install 'gridmap-core[top]'.
    """
    from gridmap.cli import watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import GridMapError  # noqa: PLC0415

    if importlib.util.find_spec("textual") is None:
        msg = (
            "gridmap top needs Textual, which is not installed: "
            "pip install 'gridmap-core[top]'; or use gridmap status"
        )
        raise GridMapError(msg)
    entry = watching.find(run, records)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        msg = "gridmap top needs a terminal, for keys and screen; use gridmap status"
        raise GridMapError(msg)
    from gridmap.cli.screen import Top  # noqa: PLC0415 - half a second

    Top(entry, watching.register(records)).run()
    return 0
