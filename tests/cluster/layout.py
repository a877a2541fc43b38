"""What the site consists of: hosts, addresses, users, directories.

Everything that the clusters write lies under two directories of their own, so that the
machine's own Grid Engine, Slurm or munge, if it has any, are not touched.
"""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEAD: Final = "head"
NODES: Final = ("n1", "n2")
ADDRESSES: Final[Mapping[str, str]] = {
    HEAD: "10.77.0.1",
    "n1": "10.77.0.2",
    "n2": "10.77.0.3",
}
"""Host name to its address; the order is the order in which hosts boot."""
HOSTS: Final = tuple(ADDRESSES)
PREFIX_LENGTH: Final = 24
CPUS_PER_NODE: Final = 4

USER: Final = "gmtest"
STRANGER: Final = "gmother"
"""A second ordinary user, against whom the first one's secrets are to be kept."""
USERS: Final = (USER, STRANGER)

INSTANCE_VARIABLE: Final = "GRIDMAP_CLUSTER_INSTANCE"
INSTANCE: Final = os.environ.get(INSTANCE_VARIABLE, "")
"""Part of every name outside the hosts: several testbeds do not see each other."""

RUN: Final = Path(f"/run/gridmap-cluster{INSTANCE}")
"""Sockets and locks."""
STATE: Final = Path(f"/var/lib/gridmap-cluster{INSTANCE}")
"""Configuration, spools, logs; not below /run, which is often mounted noexec."""
LOGS: Final = STATE / "log"
SMALL: Final = RUN / "small"
"""A file system of one megabyte that all hosts share, for tests that fill it."""

AGENT_SOCKET: Final = RUN / "agent.sock"
AGENT_VARIABLE: Final = "GRIDMAP_TEST_CLUSTER"

SGE_ROOT: Final = Path("/var/lib/gridengine")
SGE_CELL: Final = "default"


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """A directory or file that the hosts see in another's place.

    Attributes:
        source: What they see.
        target: Where they see it; it must exist.
    """

    source: Path
    target: Path


OVERLAYS: Final = (
    Overlay(source=STATE / "hosts", target=Path("/etc/hosts")),
    Overlay(source=STATE / "sge/cell", target=SGE_ROOT / SGE_CELL),
    Overlay(source=STATE / "sge/spool", target=Path("/var/spool/gridengine")),
    Overlay(source=STATE / "slurm/etc", target=Path("/etc/slurm")),
    *(
        Overlay(source=STATE / "oar" / name, target=target)
        for name, target in (("etc", Path("/etc/oar")), ("home", Path("/var/lib/oar")))
        if target.is_dir()  # OAR is not needed for the others
    ),
)


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text says what and what to do."""


def environment(user: str) -> dict[str, str]:
    """Return the environment that a login of *user* on any host would have."""
    account = pwd.getpwnam(user)
    variables = {
        "HOME": account.pw_dir,
        "LANG": "C.UTF-8",
        "LOGNAME": user,
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "SGE_CELL": SGE_CELL,
        "SGE_ROOT": str(SGE_ROOT),
        "SHELL": "/bin/bash",
        "USER": user,
        AGENT_VARIABLE: str(AGENT_SOCKET),
    }
    if "TERM" in os.environ:
        variables["TERM"] = os.environ["TERM"]
    return variables


def require_root() -> None:
    """Raise `ClusterError` unless this process is root's."""
    if os.geteuid() != 0:
        msg = "namespaces need root: run this command as root"
        raise ClusterError(msg)
