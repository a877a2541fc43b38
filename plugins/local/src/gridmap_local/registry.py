"""The file in the run directory by which a later process finds the runners.

One line a runner: boot, handle, pid, birth, deadline. The boot is there because a
directory outlives the machine's restart, and numbers begin anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle
from gridmap_local import processes
from gridmap_local.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gridmap.backend import RunContext

_FIELDS: Final = 5


def path(context: RunContext) -> Path:
    """Return where the file is. The token is in its name: one file, one run."""
    return context.directory / f"local-{context.token}.runners"


def add(runners: Iterable[Runner], context: RunContext) -> None:
    """Append runners, in one write, so that a reader sees whole lines.

    Raises:
        OSError: If the directory is full or gone.
    """
    lines = [
        f"{processes.boot()} {r.handle} {r.pid} {r.born} {r.deadline}\n"
        for r in runners
    ]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path(context), flags, 0o600)
    try:
        os.write(descriptor, "".join(lines).encode())
    finally:
        os.close(descriptor)


def read(context: RunContext) -> dict[Handle, Runner]:
    """Return the runners written down since the machine started, by handle."""
    try:
        lines = path(context).read_text().splitlines()
    except FileNotFoundError:
        return {}
    now = processes.boot()
    rows = [line.split(" ") for line in lines]
    return {
        parse_handle(handle): Runner(
            handle=parse_handle(handle),
            pid=int(pid),
            born=int(born),
            deadline=None if deadline == "None" else float(deadline),
        )
        for boot, handle, pid, born, deadline in (r for r in rows if len(r) == _FIELDS)
        if boot == now
    }


def remove(context: RunContext) -> None:
    """Remove the file; nobody is left to be found."""
    path(context).unlink(missing_ok=True)


def parse_handle(text: str) -> Handle:
    """Return the handle written as *text*."""
    job, _, task = text.partition(".")
    return Handle(job, task or None)
