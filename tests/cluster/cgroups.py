"""A branch of the kernel's control groups for each host.

Slurm needs them to hold a job to its memory. With cgroup v1, and only with it, every
host gets a branch of its own, which its cgroup namespace shows it as the root.
"""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

from .layout import INSTANCE

ROOT: Final = Path("/sys/fs/cgroup")
CONTROLLERS: Final = ("memory", "cpuset", "freezer", "cpuacct", "devices")


def available() -> bool:
    """Return whether this machine has the version 1 hierarchies that are needed."""
    return all(
        (ROOT / controller / "cgroup.procs").exists() for controller in CONTROLLERS
    )


def _branch(controller: str, host: str) -> Path:
    return ROOT / controller / f"gm{INSTANCE}-{host}"


def create(host: str) -> None:
    """Make the branches of *host*; idempotent."""
    for controller in CONTROLLERS if available() else ():
        branch = _branch(controller, host)
        branch.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty ones admit no process
            if (branch / setting).exists():
                (branch / setting).write_text((branch.parent / setting).read_text())
        if controller == "memory":
            (branch / "memory.use_hierarchy").write_text("1")


def join(host: str) -> None:
    """Move this process into the branches of *host*."""
    for controller in CONTROLLERS if available() else ():
        (_branch(controller, host) / "cgroup.procs").write_text("0")


def mount() -> None:
    """Show a host its own branches only; to be called in its new namespaces."""
    for controller in CONTROLLERS if available() else ():
        target = ROOT / controller
        # The kernel refuses the same file system twice in one place.
        subprocess.run(["umount", target], check=True)
        subprocess.run(
            ["mount", "-t", "cgroup", "-o", controller, "cgroup", target], check=True
        )


def processes(host: str) -> set[int]:
    """Return the ids of all processes in the branches of *host*."""
    pids: set[int] = set()
    for controller in CONTROLLERS:
        for below, _, _ in os.walk(_branch(controller, host)):
            with contextlib.suppress(OSError):  # it has been removed meanwhile
                pids.update(map(int, Path(below, "cgroup.procs").read_text().split()))
    return pids


def remove(host: str) -> None:
    """Remove the branches of *host*, which has no process any more; idempotent."""
    for controller in CONTROLLERS:
        branch = _branch(controller, host)
        for below, _, _ in os.walk(branch, topdown=False):
            # Where a process is still dying, there is another try at the next `down`.
            with contextlib.suppress(OSError):
                Path(below).rmdir()
