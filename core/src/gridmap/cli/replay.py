"""``gridmap replay``: call a job again here, as it was handed in."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import runs_option

if TYPE_CHECKING:
    from gridmap.rundir import RunDirectory


@click.command("replay", short_help="Call a job again here, with its exact input.")
@click.argument("name")
@click.argument("job", type=click.IntRange(0))
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it raises.")
@runs_option
def command(*, name: str, job: int, debug: bool, runs: str | None) -> int:
    """Call one job of a run again, in this process, and print what it returns.

    NAME is what the script gave as resume=NAME: only such runs keep their inputs. The
    function, its input, its environment and its directory are those that were handed
    in. The run does not hear of it. The exit status is 1 if the function raises.
    """
    from gridmap import replay  # noqa: PLC0415 - see gridmap.cli

    found = replay.load(_directory(name, runs), job)
    click.echo(f"calling job {job} of run {name!r} here", err=True)
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


def _directory(name: str, runs: str | None) -> RunDirectory:
    from gridmap.cli.parameters import runs_directory  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import InvalidRequestError  # noqa: PLC0415
    from gridmap.rundir import RunDirectory  # noqa: PLC0415

    base = runs_directory(runs)
    known = RunDirectory.all_named(base)
    found = next((run for run in known if run.given_name == name), None)
    if found is None:
        names = ", ".join(repr(run.given_name) for run in known) or "none"
        msg = (
            f"there is no run named {name!r} in {base} whose inputs were kept; there "
            f"are: {names}. Give the map a name: grid_map(..., resume=NAME)"
        )
        raise InvalidRequestError(msg)
    return found
