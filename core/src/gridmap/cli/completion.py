"""``gridmap completion``: what makes a shell complete the command's words."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

import click
from click.shell_completion import get_completion_class

SHELLS: Final = ("bash", "fish", "zsh")

_LINES: Final = """\b
~/.bashrc:                   eval "$(gridmap completion bash)"
~/.zshrc:                    eval "$(gridmap completion zsh)"
~/.config/fish/config.fish:  gridmap completion fish | source
"""


@click.command(
    "completion", short_help="Make your shell complete words.", epilog=_LINES
)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def command(context: click.Context, shell: str | None) -> None:
    """Print what makes a shell complete commands, options and names of backends.

    SHELL is bash, zsh or fish; without it the one that $SHELL names. Each shell has a
    file for what it is to do at its start; the line to add there is below.
    What is printed is a program of that shell, so there is no --json.
    """
    name = shell or PurePath(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        context.fail(f"$SHELL is {name or 'not set'}: name one of {', '.join(SHELLS)}")
    complete = get_completion_class(name)
    if complete is None:  # pragma: no cover - click has had these three since 8.0
        context.fail(f"click knows no completion for {name}")
    program = context.find_root().command
    click.echo(complete(program, {}, "gridmap", "_GRIDMAP_COMPLETE").source())
