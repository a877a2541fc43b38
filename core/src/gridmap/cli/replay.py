"""``gridmap replay``: call a job again here, as it was handed in."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import json_option, runs_option
from gridmap.cli.watching import JobNumber, RunName, records_option

if TYPE_CHECKING:
    from gridmap.replay import Replay


@click.command("replay", short_help="Call a job again here, with its exact input.")
@click.argument("run", type=RunName())
@click.argument("job", type=JobNumber())
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it raises.")
@runs_option
@records_option
@json_option
def command(
    *,
    run: str,
    job: int,
    debug: bool,
    runs: str | None,
    records: str | None,
    as_json: bool,
) -> int:
    """Call one job of a run again, in this process, and print what it returns.

    RUN is what the script gave as resume=NAME: such runs keep all their inputs; or any
    other run, of which the first jobs that failed are kept (the setting keep_failed).
    The function, its input, its environment and its directory are those that were
    handed in. The run does not hear of it. The exit status is 1 if the function raises.

    With --json the one line on standard output has "value", as text where JSON has no
    word for it, or "error" and "traceback"; what the function prints goes to standard
    error.
    """
    if debug and as_json:
        msg = "the debugger of --pdb talks to you, and --json to programs: say one"
        raise click.UsageError(msg)
    found = _find(run, job, runs, records)
    click.echo(f"calling job {job} of run {run!r} here", err=True)
    try:
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            value = found.call()
    except Exception as error:  # noqa: BLE001 - the user's own, shown to him
        here = error.__traceback__
        frames = here.tb_next.tb_next if here and here.tb_next else None
        shown = traceback.format_exception(type(error), error, frames or here)
        if as_json:
            told = {"error": f"{type(error).__name__}: {error}"}
            _print_json(run, job, **told, traceback="".join(shown))
            return 1
        sys.stderr.write("".join(shown))
        if debug:
            import pdb  # noqa: PLC0415, T100 - what was asked for

            pdb.post_mortem(frames or here)
        return 1
    if as_json:
        _print_json(run, job, value=value)
    else:
        sys.stdout.write(f"{value!r}\n")
    return 0


def _print_json(run: str, job: int, **told: object) -> None:
    try:
        words = json.dumps(told, default=repr)
    except (TypeError, ValueError):  # a key that is no text, or a circle
        words = json.dumps({name: repr(value) for name, value in told.items()})
    click.echo(json.dumps({"run": run, "job": job, **json.loads(words)}))


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
