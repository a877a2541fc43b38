"""How often the kernel killed in this process's group for want of memory.

cgroups(7): version 2 counts in ``memory.events`` (``oom_kill``), version 1 in
``memory.oom_control``. Where neither can be read, nobody counts, and nothing is said.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")


def oom_kills() -> int | None:
    """Return how many processes of this group were killed so far; None if unknown."""
    for path in _candidates():
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return None


def _candidates() -> list[Path]:
    found = []
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        for line in lines:
            _, controllers, path = line.split(":", 2)
            relative = path.lstrip("/")
            if not controllers:
                found.append(_ROOT / relative / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(_ROOT / "memory" / relative / "memory.oom_control")
    return found
