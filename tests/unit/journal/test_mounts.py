"""The write-ahead log is used where it is safe, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmap.journal.mounts import kind, local

# A head node of a cluster: root on ext4, homes mounted on demand over NFS, a parallel
# file system, a directory with a blank in its name, and one mount hidden by another.
TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
40 22 0:35 / /home rw,relatime shared:20 - autofs /etc/auto.home rw,fd=7
41 40 0:44 / /home/ada rw,relatime shared:21 - nfs4 filer:/ada rw,vers=4.2
42 22 0:45 / /scratch rw,relatime - lustre 10.0.0.1@tcp:/scratch rw,flock
43 22 8:2 / /mnt/my\040disk rw - xfs /dev/sdb1 rw
44 22 0:50 / /data rw - nfs old:/data rw
45 22 8:3 / /data rw - ext4 /dev/sdc1 rw
46 22 0:51 / /win rw - fuse.sshfs me@there:/ rw
47 22 0:52 / /tmp rw,nosuid shared:3 master:7 - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "ext4"),
        ("/homely/x", "ext4"),
        ("/home/bob", "autofs"),
        ("/home/ada/.local/state", "nfs4"),
        ("/scratch/runs", "lustre"),
        ("/mnt/my disk/runs", "xfs"),
        ("/data/runs", "ext4"),
        ("/win", "fuse.sshfs"),
        ("/tmp/x", "tmpfs"),  # noqa: S108 - a text
    ],
)
def test_the_innermost_mount_counts(path: str, found: str) -> None:
    """The later one, if there are two on one directory."""
    assert kind(Path(path), TABLE) == found


def test_what_is_unknown_is_not_local() -> None:
    """Nor is the kernel's own file system; a broken table is no error."""
    assert kind(Path("/x"), "") == ""
    assert kind(Path("/x"), "rubbish\n1 2 - 3\n") == ""
    assert not local(Path("/proc/self"))
