"""``gridmap render``: the exact submission, without submitting anything."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import backend_option, json_option, needs_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.backend import Batch, Rendered
    from gridmap.cli.choice import Choice
    from gridmap.cli.rehearsal import Rehearsal
    from gridmap.resources import Resources

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
@needs_options
@json_option
def command(
    *,
    backend: str | None,
    jobs: int,
    max_workers: int | None,
    name: str,
    as_json: bool,
    resources: Resources,
) -> None:
    """Print exactly what a map would submit, without submitting it.

    What the settings say goes in as it would in a map. The scheduler may be asked how
    large an array may be; nothing is submitted or written.
    """
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    choice, rehearsal, submissions = _rehearse(
        backend, jobs, resources, name, max_workers
    )
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
                    for batch, one in submissions
                ],
            }
        )
        return
    _print(choice, rehearsal, submissions)


def print_submission(
    backend: str | None,
    jobs: int,
    resources: Resources,
    name: str,
    max_workers: int | None,
) -> None:
    """Print what a map would submit.

    Args:
        backend: Its backend, None: the one that a map would take.
        jobs: How many jobs it has.
        resources: What each of them needs.
        name: Its name.
        max_workers: Runners at most; None: the settings.
    """
    _print(*_rehearse(backend, jobs, resources, name, max_workers))


def _rehearse(
    backend: str | None,
    jobs: int,
    resources: Resources,
    name: str,
    max_workers: int | None,
) -> tuple[Choice, Rehearsal, list[tuple[Batch, Rendered]]]:
    from gridmap.cli.choice import choose  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.rehearsal import Rehearsal  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415

    settings, origins = load_settings({"max_workers": max_workers})
    choice = choose(backend, settings, origins)
    rehearsal = Rehearsal.of(choice.backend, settings, name)
    try:
        batches = rehearsal.batches(jobs, resources)
        made = [(batch, rehearsal.plugins.render(batch)) for batch in batches]
        return choice, rehearsal, made
    finally:
        rehearsal.plugins.close()


def _print(
    choice: Choice, rehearsal: Rehearsal, submissions: list[tuple[Batch, Rendered]]
) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    for note in rehearsal.notes:
        text.complain(f"gridmap: {note}")
    for number, (batch, one) in enumerate(submissions, 1):
        count, name = len(batch.runners), choice.backend.info.name
        which = f"submission {number} of {len(submissions)} to {name}"
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
