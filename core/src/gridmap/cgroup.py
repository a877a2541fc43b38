"""What the kernel lets this process's control group have of memory, and how often it killed.

cgroups(7): version 2 counts in ``memory.events`` (``oom_kill``), version 1 in
``memory.oom_control``. Where neither can be read, nobody counts, and nothing is said.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path("/sys/fs/cgroup")


def oom_kills() -> int | None:
    """Return how many processes of this group were killed so far; None if unknown."""
    for group, second in _groups():
        path = group / ("memory.events" if second else "memory.oom_control")
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return None


def memory(cores: int | None = None) -> int:
    """Return the bytes that this process's group may have: at most the machine's.

    The limit may be that of a group further up: schedulers limit jobs, and have a group
    below for each step.

    Args:
        cores: How many of those that this process may run on are for its work, which
            may have that part of the memory; None: all.
    """
    least = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for group, second in _groups():
        names = ("memory.max", "memory.high") if second else ("memory.limit_in_bytes",)
        for place in (group, *group.parents):
            for name in names if place.is_relative_to(_ROOT) else ():
                with contextlib.suppress(OSError, ValueError):  # "max"
                    text = (place / name).read_text(encoding="ascii")
                    least = min(least, int(text))
    if cores is None:
        return least
    there = len(os.sched_getaffinity(0))
    return least * min(cores, there) // there


def _groups() -> Iterator[tuple[Path, bool]]:
    """Yield where this process's groups are that count memory; whether by version 2."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        for line in lines:
            _, controllers, path = line.split(":", 2)
            relative = path.lstrip("/")
            if not controllers:
                yield _ROOT / relative, True
            elif "memory" in controllers.split(","):
                yield _ROOT / "memory" / relative, False
