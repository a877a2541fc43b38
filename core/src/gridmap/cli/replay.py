"""``gridmap replay``: call a job again here, as it was handed in."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import runs_option
from gridmap.cli.watching import RunName, records_option

if TYPE_CHECKING:
    from gridmap.replay import Replay


@click.command("replay", short_help="Call a job again here, with its exact input.")
@click.argument("run", type=RunName())
@click.argument("job", type=click.IntRange(0))
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it raises.")
@runs_option
@records_option
def command(
    *, run: str, job: int, debug: bool, runs: str | None, records: str | None
) -> int:
    """Call one job of a run again, in this process, and print what it returns.

    RUN is what the script gave as resume=NAME: such runs keep all their inputs; or any
    other run, of which the first jobs that failed are kept (the setting keep_failed).
    The function, its input, its environment and its directory are those that were
    handed in. The run does not hear of it. The exit status is 1 if the function raises.
    """
    found = _find(run, job, runs, records)
    click.echo(f"calling job {job} of run {run!r} here", err=True)
    try:
        value = found.call()
    except Exception as error:  # noqa: BLE001 - the user's own, shown to him
        here = error.__traceback__
        frames = here.tb_next.tb_next if here and here.tb_next else None
        traceback.print_exception(type(error), error, frames or here)
        if debug:
            import pdb  # noqa: PLC0415, T100 - what was asked for

            pdb.post_mortem(frames or here)
        return 1
    sys.stdout.write(f"{value!r}\n")
    return 0


def _find(run: str, job: int, runs: str | None, records: str | None) -> Replay:
    """Look among the runs that can be resumed, then among all."""
    from gridmap import replay  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import watching  # noqa: PLC0415
    from gridmap.cli.parameters import runs_directory  # noqa: PLC0415
    from gridmap.rundir import RunDirectory  # noqa: PLC0415

    for directory in RunDirectory.all_named(runs_directory(runs)):
        if directory.given_name == run:
            return replay.load(directory, job)
    entry = watching.find(run, records)
    if entry.resume_name is not None:
        return replay.load(RunDirectory(path=Path(entry.record.directory)), job)
    return replay.load_failed(entry, watching.register(records), job)
