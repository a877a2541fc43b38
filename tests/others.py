"""Another user of this machine, for tests of what he may not do.

Tests run as an ordinary user, who can become nobody else; on the clusters, their agent
acts for them, and for root it is simple.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest
from tests.cluster.client import Cluster

NOBODY: Final = 65534
NAME: Final = "gmother"


@attrs.frozen
class OtherUser:
    """Somebody else.

    Attributes:
        uid: His user id.
    """

    uid: int
    _cluster: Cluster | None
    _owned: list[Path] = attrs.field(factory=list)

    def own(self, path: Path) -> None:
        """Make a file, directory or symbolic link his, until the test is over.

        Everybody may read what is his then, so that it is not the kernel who refuses
        it to the user of the tests.
        """
        self._owned.append(path)
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        if self._cluster is None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)
        else:
            self._cluster.give(path, NAME)

    def give_back(self) -> None:
        """Return what was made his to the user of the tests, who is to remove it."""
        for path in reversed(self._owned):
            if self._cluster is None:
                os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
            else:
                self._cluster.give(path, pwd.getpwuid(os.geteuid()).pw_name)

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program as him, to its end."""
        if self._cluster is None:
            return subprocess.run(
                argv, user=self.uid, group=self.uid, extra_groups=[], cwd="/",
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        return self._cluster.run("head", argv, user=NAME, cwd="/")


def find() -> OtherUser:
    """Return him; where there is no way to act as another, skip the test."""
    cluster = Cluster.find()
    if cluster is not None:
        return OtherUser(pwd.getpwnam(NAME).pw_uid, cluster)
    if os.geteuid() != 0:
        pytest.skip("needs another user: run it as root, or on the clusters")
    return OtherUser(NOBODY, None)
