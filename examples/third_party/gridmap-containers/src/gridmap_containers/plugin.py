"""The hook: another command for each runner of whatever backend a run has."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Generator

Command = tuple[str, ...]


# -- launching --
@hookimpl(wrapper=True)
def gridmap_launch(command: Command) -> Generator[None, Command | None, Command]:
    """Let the scheduler start a container, or a shell, that starts the runner."""
    changed = yield  # what another plugin made of it, None if there is none
    return surrounded(
        changed or command,
        setup=os.environ.get("GRIDMAP_SETUP", ""),
        container=os.environ.get("GRIDMAP_CONTAINER", ""),
    )


def surrounded(command: Command, *, setup: str, container: str) -> Command:
    """Return a command that does the same elsewhere.

    Args:
        command: Starts a runner.
        setup: Lines of shell that come first; one that fails ends the runner.
        container: Starts what is written after it, such as ``apptainer exec IMAGE``.
    """
    inner = (*shlex.split(container), *command)
    lines = [line.strip() for line in setup.splitlines() if line.strip()]
    if not lines:
        return inner
    # A login shell knows `module`. With exec no shell is left between the scheduler's
    # signals and the runner.
    script = " && ".join([*lines, 'exec "$@"'])
    return ("/bin/bash", "-l", "-c", script, "bash", *inner)


# -- so much for launching --
