"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the cores that affinity and control groups leave us, at least 1.

    `os.cpu_count` counts the machine's: inside a container or a batch job that is
    too many, and everything started on top of it only waits.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = cgroup_quota(MEMBERSHIP, CGROUPS)
    return max(1, math.ceil(min(count, quota)))


def cgroup_quota(membership: Path, root: Path) -> float:
    """Return how many cores' worth of time the control groups allow.

    Every group on the way up to the root limits those below it. A group the
    membership file names may be invisible from here (a container sees its own group
    as the root), so what is not there limits nothing.

    Args:
        membership: ``/proc/self/cgroup``, see cgroups(7).
        root: Where control groups are mounted.

    Returns:
        Cores, infinite where nothing limits.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf
    quotas = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for group in _up_to_root(path):
            if not controllers:
                quotas.append(_version_2(root / group / "cpu.max"))
            elif "cpu" in controllers.split(","):
                quotas.append(_version_1(root / controllers / group))
                quotas.append(_version_1(root / "cpu" / group))
    return min(quotas)


def _up_to_root(path: str) -> Iterator[PurePosixPath]:
    group = PurePosixPath(path.lstrip("/"))
    yield group
    yield from group.parents


def _version_2(file: Path) -> float:
    """Read ``cpu.max``: "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    try:
        quota, period = file.read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _version_1(group: Path) -> float:
    """Read the CFS quota; -1 is none."""
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        period = int((group / "cpu.cfs_period_us").read_text())
        return math.inf if quota < 0 else quota / period
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
