"""What kind of file system a path is on, as far as SQLite has to care."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_LOCAL: Final = frozenset({
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs",
    "reiserfs", "tmpfs", "xfs", "zfs",
})  # fmt: skip
_POINT: Final = 4
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def local(path: Path) -> bool:
    """Say whether *path* is certainly on a disk of this machine.

    Only there do processes share memory by way of a file, which SQLite's write-ahead
    log needs ("does not work over a network filesystem", sqlite.org/wal.html).
    False wherever the kernel's table of mounts is not to be had, and for file systems
    that may be of either kind, such as those in user space.
    """
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        real = path.resolve()
    except (OSError, RuntimeError):
        return False
    return kind(real, table) in _LOCAL


def kind(path: Path, table: str) -> str:
    """Return the type of the file system *path* is on, empty if unknown.

    Args:
        path: Absolute, without links.
        table: Lines of /proc/self/mountinfo, see proc_pid_mountinfo(5).
    """
    best, found = -1, ""
    for line in table.splitlines():
        place, _, source = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) <= _POINT:
            continue
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[_POINT]))
        # The later of two mounts on one point hides the earlier.
        if len(point.parts) >= best and path.is_relative_to(point):
            best, found = len(point.parts), source.split(" ")[0]
    return found
