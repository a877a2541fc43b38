"""Debian packages the clusters are made of."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from .layout import ClusterError

GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "base": (
        "faketime",
        "gridengine-client",
        "gridengine-drmaa1.0",
        "gridengine-exec",
        "gridengine-master",
        "iproute2",
        "iputils-ping",
        # Without the package around it, which would set up a database of the machine's.
        "mariadb-client-core",
        "mariadb-server-core",
        "munge",
        "netbase",
        "procps",
        "python3-venv",
        "slurm-client",
        "slurmctld",
        "slurmd",
        "slurmdbd",
        "util-linux",
    ),
    # A third scheduler, the simplest there is; `up` does not need it.
    "spooler": ("task-spooler",),
    # A fourth one, for clusters; `up oar` needs it.
    "oar": (
        "oar-node",
        "oar-server",
        "oar-server-pgsql",
        "oar-user",
        "oar-user-pgsql",
        "openssh-server",
        "postgresql",
    ),
    # What jobs are started in and with.
    "containers": ("bubblewrap", "environment-modules"),
    # What the dashboard is tried in.
    "browser": ("chromium", "chromium-sandbox", "fonts-dejavu-core"),
}
"""Name of a group to its packages."""


def missing(packages: Sequence[str]) -> list[str]:
    """Return those of *packages* that are not installed."""
    query = [
        "dpkg-query",
        "--show",
        "--showformat=${Package} ${db:Status-Status}\n",
        *packages,
    ]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {
        line.split()[0] for line in shown.splitlines() if line.endswith(" installed")
    }
    return [package for package in packages if package not in installed]


def install(groups: Sequence[str]) -> list[str]:
    """Install what is missing of *groups*; blocks, perhaps for a minute; idempotent.

    Returns:
        The packages that had been missing.

    Raises:
        ClusterError: If apt-get fails even with a fresh package list; its output has
            been shown.
    """
    wanted = missing([package for group in groups for package in GROUPS[group]])
    if not wanted:
        return []
    command = [
        "apt-get",
        "install",
        "--quiet=2",
        "--yes",
        "--no-install-recommends",
        *wanted,
    ]
    if (
        _apt(command, quiet=True) != 0
    ):  # mostly: no package list yet, or one that is too old
        _apt(["apt-get", "update", "--quiet=2"])
        if _apt(command) != 0:
            msg = f"apt-get cannot install {' '.join(wanted)}: see its words above"
            raise ClusterError(msg)
    return wanted


def _apt(command: Sequence[str], *, quiet: bool = False) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(
        command, env=environment, check=False, stdout=output, stderr=output
    ).returncode
