"""``gridmap completion``: what makes a shell complete the command's words, and bash's."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import (
    BashComplete,
    add_completion_class,
    get_completion_class,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS: Final = ("bash", "fish", "zsh")

VARIABLE: Final = "_GRIDMAP_COMPLETE"
"""With it in the environment the command is asked for words by a shell."""

_SPECIAL: Final = re.compile(r"([^\w@%+=:,./-])")
"""What means something to bash."""

_LINES: Final = """\b
~/.bashrc:                   eval "$(gridmap completion bash)"
~/.zshrc:                    eval "$(gridmap completion zsh)"
~/.config/fish/config.fish:  gridmap completion fish | source
"""


class Bash(BashComplete):
    """Quotes a word, such as a run's name with a space, as zsh and fish do themselves.

    Not one that the user began with a quotation mark: bash ends that with another.
    """

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return a word as the script of click's that runs in bash takes it."""
        words = os.environ["COMP_WORDS"].split("\n")
        begun = "".join(words[int(os.environ["COMP_CWORD"]) :][:1])
        if item.type == "plain" and not begun.startswith(("'", '"')):
            # Two backslashes, since its `read` takes one of them away.
            quoted = _SPECIAL.sub(r"\\\\\1", item.value)
            return f"plain,{quoted}"
        return super().format_completion(item)


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
    click.echo(complete(program, {}, "gridmap", VARIABLE).source())


def use() -> None:
    """Answer shells that ask for words."""
    add_completion_class(Bash)
