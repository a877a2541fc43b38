"""``gridmap forget``: end a run that can be resumed, and remove what it kept."""

from __future__ import annotations

import click

from gridmap.cli.parameters import ResumeName, json_option, runs_option


@click.command("forget", short_help="Remove a run that could be resumed.")
@click.argument("name", type=ResumeName())
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@runs_option
@json_option
def command(*, name: str, yes: bool, runs: str | None, as_json: bool) -> None:
    """Remove a run that could be resumed: its runners, its results, its logs.

    A run that a process drives is left alone; end that process first.
    """
    from gridmap import attach  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415
    from gridmap.cli.parameters import runs_directory  # noqa: PLC0415
    from gridmap.errors import RunBusyError, RunError  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415

    base = runs_directory(runs)
    try:
        state = attach.run_state(base, name)
    except RunError as error:  # what is damaged can be removed all the same
        text.complain(f"gridmap: {error}")
        results, lost = None, "whatever results it has"
    else:
        if state.driver is not None:
            raise RunBusyError(name, state.driver.pid, state.driver.host)
        results = state.done
        lost = "the results of " + ("1 job" if results == 1 else f"{results:,} jobs")
    if not yes:
        click.confirm(f"Remove run {name!r} with {lost}?", abort=True, err=True)
    killed = attach.forget(base, name, load_settings()[0])
    if as_json:
        text.as_json({"name": name, "results": results, "ended_runners": killed})
        return
    some = "1 runner" if killed == 1 else f"{killed:,} runners"
    ended = f", and {some} ended" if killed else ""
    text.paragraph(f"Run {name!r} is removed{ended}.")
