"""``gridmap render``: the exact submission, without submitting anything."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import KeyValue, backend_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from gridmap.backend import Rendered

_LINE: Final = 79
_EXAMPLE: Final = """\b
Example:
  gridmap render --backend slurm --jobs 200 --memory 2G --walltime 1h
"""
_END: Final = "END_OF_SCRIPT"


@click.command(
    "render", short_help="Print the exact submission, submit nothing.", epilog=_EXAMPLE
)
@backend_option
@click.option("--jobs", type=click.IntRange(1), default=1, help="Jobs of the map.")
@click.option("--max-workers", type=click.IntRange(1), help="Runners at most.")
@click.option("--name", default="gridmap_job", help="Name of the map.")
@click.option("--memory", metavar="AMOUNT", help="Memory a job needs: 512M, 2G.")
@click.option("--memory-limit", metavar="AMOUNT", help="Memory at which it is ended.")
@click.option("--walltime", metavar="TIME", help="Longest life of a runner: 90m.")
@click.option("--cores", type=int, default=1, help="Cores on one node.")
@click.option("--gpus", type=int, default=0, help="Graphics processors.")
@click.option("--queue", metavar="NAME", help="Queue or partition.")
@click.option("--account", metavar="NAME", help="Project or account to charge.")
@click.option("--node", "nodes", multiple=True, help="Node to use; may be repeated.")
@click.option(
    "--option",
    "options",
    type=KeyValue(),
    multiple=True,
    help="What only this backend knows; may be repeated.",
)
@click.option(
    "--native",
    metavar="TEXT",
    multiple=True,
    help="Raw option, as in --native=--qos=high; may be repeated.",
)
@json_option
def command(
    *,
    backend: str | None,
    jobs: int,
    max_workers: int | None,
    name: str,
    options: tuple[tuple[str, str], ...],
    as_json: bool,
    **needs: Any,
) -> None:
    """Print exactly what a map would submit, without submitting it.

    What the settings say goes in as it would in a map. The scheduler may be asked how
    large an array may be; nothing is submitted or written.
    """
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.choice import choose  # noqa: PLC0415
    from gridmap.cli.rehearsal import Rehearsal  # noqa: PLC0415
    from gridmap.errors import InvalidResourceError  # noqa: PLC0415
    from gridmap.resources import Resources  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415

    try:
        resources = Resources(options=dict(options), **needs)
    except InvalidResourceError as error:
        raise click.UsageError(str(error)) from None
    settings, origins = load_settings({"max_workers": max_workers})
    choice = choose(backend, settings, origins)
    rehearsal = Rehearsal.of(choice.backend, settings, name)
    try:
        batches = rehearsal.batches(jobs, resources)
        rendered = [rehearsal.plugins.render(batch) for batch in batches]
    finally:
        rehearsal.plugins.close()
    if as_json:
        text.as_json(
            {
                "backend": choice.backend.info.name,
                "notes": rehearsal.notes,
                "submissions": [
                    {
                        "runners": len(batch.runners),
                        "command": list(one.command),
                        "script": one.script,
                    }
                    for batch, one in zip(batches, rendered, strict=True)
                ],
            }
        )
        return
    for note in rehearsal.notes:
        text.complain(f"gridmap: {note}")
    for number, (batch, one) in enumerate(zip(batches, rendered, strict=True), 1):
        count = len(batch.runners)
        which = f"submission {number} of {len(batches)} to {choice.backend.info.name}"
        click.echo(f"# {which}: {count} runner{'s' if count > 1 else ''}")
        click.echo(as_shell(one))


def as_shell(rendered: Rendered) -> str:
    """Return a submission as one could type it into a shell."""
    command_line = _continued(rendered.command)
    if rendered.script is None:
        return command_line
    end = _END
    while end in rendered.script:
        end += "_"
    script = rendered.script.removesuffix("\n")
    return f"{command_line} <<'{end}'\n{script}\n{end}"


def _continued(arguments: Sequence[str]) -> str:
    """Return a command, one argument a line where it is long."""
    quoted = [shlex.quote(argument) for argument in arguments]
    line = " ".join(quoted)
    return line if len(line) <= _LINE else " \\\n    ".join(quoted)
