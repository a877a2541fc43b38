"""Slurm 22.05 and munge: files, daemons, readiness."""

import secrets
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import accounting, cgroups
from .daemons import Daemon
from .hosts import Host
from .layout import HEAD, LOGS, NODES, RUN, STATE

NAME: Final = "slurm"
SUMMARY: Final = (
    "Slurm: partitions main (default), other, urgent; gres gpu:1; array index to 500"
)
DAEMONS: Final[Sequence[Daemon]] = (
    # One for all hosts: they share the file system its socket is in.
    Daemon(
        name="munged",
        process="munged",
        hosts=(HEAD,),
        user="munge",
        command=lambda _: (
            "/usr/sbin/munged",
            "--force",  # over a socket that a crash left behind
            f"--socket={RUN}/munge/socket",
            f"--key-file={STATE}/munge/key",
            f"--log-file={STATE}/munge/log",
            f"--pid-file={RUN}/munge/pid",
            f"--seed-file={STATE}/munge/seed",
        ),
    ),
    *accounting.DAEMONS,
    Daemon(
        name="slurmctld",
        process="slurmctld",
        hosts=(HEAD,),
        user="slurm",
        command=lambda _: ("/usr/sbin/slurmctld",),
    ),
    Daemon(
        name="slurmd",
        process="slurmd",
        hosts=NODES,
        command=lambda host: ("/usr/sbin/slurmd", "-N", host),
    ),
)

_CONF: Final = Path(__file__).with_name("conf") / "slurm"
_STATE: Final = STATE / "slurm"
_HEALTHY: Final = {"idle", "mixed", "allocated", "completing"}


def prepare() -> None:
    """Write configuration and key before the hosts boot; idempotent."""
    if (_STATE / "etc/slurm.conf").exists():
        return
    _directory(_STATE / "state", "slurm", 0o700)
    _directory(RUN / "slurm", "slurm", 0o755)
    _directory(RUN / "munge", "munge", 0o755)
    _directory(STATE / "munge", "munge", 0o700)
    key = STATE / "munge/key"
    key.touch(mode=0o400)
    key.write_bytes(secrets.token_bytes(128))
    shutil.chown(key, "munge", "munge")
    log = LOGS / "slurmctld.log"
    log.touch()
    shutil.chown(log, "slurm", "slurm")
    _configure()


def _configure() -> None:
    held = cgroups.available()
    values = {
        "@ACCOUNTING@": accounting.configuration(),
        "@RUN@": str(RUN),
        "@STATE@": str(STATE),
        "@PROCTRACK@": "proctrack/cgroup" if held else "proctrack/linuxproc",
        "@TASK@": "task/cgroup" if held else "task/none",
        "@CONSTRAIN@": "yes" if held else "no",
    }
    (_STATE / "etc").mkdir(parents=True, exist_ok=True)
    for template in sorted(_CONF.iterdir()):
        text = template.read_text()
        for mark, value in values.items():
            text = text.replace(mark, value)
        (_STATE / "etc" / template.name).write_text(text)
    accounting.own(_STATE / "etc/slurmdbd.conf")


def start() -> None:
    """Start every daemon; idempotent."""
    for daemon in DAEMONS:
        for host in daemon.hosts:
            if daemon.wanted():
                daemon.start(host)


def account(*, wanted: bool) -> None:
    """Give Slurm accounting, or take it away; jobs go on meanwhile; idempotent."""
    if not wanted and not accounting.on():
        return
    (controller,) = (one for one in DAEMONS if one.name == "slurmctld")
    accounting.want(wanted=wanted)
    _configure()
    if wanted:
        accounting.start()
    controller.stop(HEAD)  # it takes over another storage only when it starts
    controller.start(HEAD)
    if not wanted:
        accounting.stop()


def ready() -> bool:
    """Return whether both nodes take jobs."""
    states = _states()
    return len(states) == len(NODES) and set(states.values()) <= _HEALTHY


def clear() -> None:
    """Take nodes back that are down or drained, and let silent ones register again."""
    for node, state in _states().items():
        if state in _HEALTHY:
            continue
        # Asked to end, it waits for a controller that hung; jobs do without it.
        DAEMONS[-1].stop(node, signal.SIGKILL)
        DAEMONS[-1].start(node)
        Host(HEAD).run(["scontrol", "update", f"nodename={node}", "state=resume"])


def settle() -> None:
    """Do nothing: nodes tell by themselves what they have no more."""


def _states() -> dict[str, str]:
    """Return for each node its state in the words of sinfo(1)."""
    command = ["sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T"]
    lines = Host(HEAD).run(command).stdout.splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def _directory(path: Path, owner: str, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    shutil.chown(path, owner, owner)
