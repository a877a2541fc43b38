"""Whether this machine can use Slurm: a look at files, no process, some 100 µs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gridmap.backend import Availability

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final = ("sbatch", "squeue", "scancel", "scontrol")
"""What must be on PATH; sinfo and sacct are used where they are."""

CONFIGURATIONS: Final = (
    Path("/etc/slurm/slurm.conf"),
    Path("/etc/slurm-llnl/slurm.conf"),
    Path("/usr/local/etc/slurm.conf"),
    # Where sites without files keep what the controller sent (slurm.conf(5), configless).
    Path("/run/slurm/conf/slurm.conf"),
    Path("/var/run/slurm/conf/slurm.conf"),
    Path("/var/spool/slurmd/conf-cache/slurm.conf"),
    Path("/var/spool/slurm/d/conf-cache/slurm.conf"),
)

PREFERENCE: Final = 10
"""What a cluster says at least."""


def available() -> Availability:
    """Say whether Slurm can be used here, and if not, what is missing."""
    return look(os.environ)


def look(
    environ: Mapping[str, str], configurations: tuple[Path, ...] = CONFIGURATIONS
) -> Availability:
    """Say whether Slurm can be used with this environment.

    Args:
        environ: Its ``PATH`` and ``SLURM_CONF`` count.
        configurations: Where a configuration may lie.
    """
    path = environ.get("PATH", os.defpath)
    missing = [name for name in COMMANDS if shutil.which(name, path=path) is None]
    if missing:
        return Availability(
            usable=False,
            reason=f"{', '.join(missing)} not found on PATH: install Slurm's commands "
            "(on Debian: slurm-client), or load the site's module",
        )
    configuration = find_configuration(environ, configurations)
    if configuration is None:
        return Availability(
            usable=False,
            reason="Slurm's commands are installed, but there is no slurm.conf: work on "
            "a host of the cluster, or set SLURM_CONF",
        )
    return Availability(
        usable=True, reason=f"configured by {configuration}", preference=PREFERENCE
    )


def find_configuration(
    environ: Mapping[str, str], configurations: tuple[Path, ...] = CONFIGURATIONS
) -> str | None:
    """Return where the configuration is, None if there is no sign of one."""
    if named := environ.get("SLURM_CONF"):
        return named if Path(named).is_file() else None
    if server := environ.get("SLURM_CONF_SERVER"):
        return f"the controller on {server}"
    sbatch = shutil.which("sbatch", path=environ.get("PATH", os.defpath))
    beside = (
        [Path(sbatch).resolve().parents[1] / "etc" / "slurm.conf"] if sbatch else []
    )
    for path in (*configurations, *beside):
        if path.is_file():
            return str(path)
    return None
