"""Grid Engine 8.1.9: files, daemons, readiness."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from .daemons import Daemon
from .hosts import Host
from .layout import HEAD, HOSTS, NODES, STATE, ClusterError

NAME: Final = "sge"
SUMMARY: Final = (
    "Grid Engine: queue all.q, PE smp, complexes gpu and h_vmem, arrays to 500 tasks"
)
DAEMONS: Final = (
    Daemon(
        name="qmaster",
        process="sge_qmaster",
        hosts=(HEAD,),
        command=lambda _: ("/usr/sbin/sge_qmaster",),
    ),
    Daemon(
        name="execd",
        process="sge_execd",
        hosts=NODES,
        command=lambda _: ("/usr/sbin/sge_execd",),
    ),
)
MASTER_DEADLINE_S: Final = 20.0
_SETTLED_S: Final = 5.0

_ADMIN: Final = "sgeadmin"
_CONF: Final = Path(__file__).with_name("conf") / "sge"
_STATE: Final = STATE / "sge"
_INITIALISED: Final = _STATE / "initialised"
_CONFIGURED: Final = _STATE / "configured"

# Paths are as the hosts see them. spooldefaults writes the database without a running
# master.
_INITIALISE: Final = f"""
set -e
spool=/usr/lib/gridengine/spooldefaults
/usr/lib/gridengine/spoolinit berkeleydb libspoolb /var/spool/gridengine/spooldb init
$spool configuration {_STATE}/conf/configuration
$spool complexes {_STATE}/conf/complexes
$spool usersets /usr/share/gridengine/util/resources/usersets
$spool managers {_ADMIN} root
$spool adminhosts {" ".join(HOSTS)}
"""
_CONFIGURE: Final = f"""
set -e
cd {_STATE}/conf
qconf -as {",".join(HOSTS)}
qconf -Msconf scheduler
qconf -Ae host-n1
qconf -Ae host-n2
qconf -Ahgrp hostgroup
qconf -Ap parallel-environment
qconf -Aq queue
"""


def prepare() -> None:
    """Write the cell's files before the hosts boot; idempotent."""
    common = _STATE / "cell/common"
    if (common / "act_qmaster").exists():
        return
    complexes = Path("/usr/share/gridengine/util/resources/centry")
    shutil.copytree(complexes, _STATE / "conf/complexes", dirs_exist_ok=True)
    shutil.copytree(_CONF, _STATE / "conf", dirs_exist_ok=True)
    for name in (
        "cell/common",
        "spool/qmaster/job_scripts",
        "spool/execd",
        "spool/spooldb",
    ):
        (_STATE / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(_CONF / "bootstrap", common / "bootstrap")
    (common / "cluster_name").write_text("gridmap\n")
    (common / "act_qmaster").write_text(f"{HEAD}\n")
    subprocess.run(["chown", "-R", f"{_ADMIN}:{_ADMIN}", _STATE], check=True)


def start() -> None:
    """Start master, configuration and nodes; idempotent.

    Raises:
        ClusterError: If something fails or the master does not answer in time.
    """
    master, execd = DAEMONS
    if not _INITIALISED.exists():
        _shell(_INITIALISE, user=_ADMIN)
        _INITIALISED.touch()
    if not master.find(HEAD):
        # Left alone, nodes would take up to half a minute to find out that there is a
        # new one.
        for node in NODES:
            execd.stop(node)
    master.start(HEAD)
    _await_master()
    if not _CONFIGURED.exists():
        _shell(_CONFIGURE, user="root")
        _CONFIGURED.touch()
    for node in NODES:
        execd.start(node)


def ready() -> bool:
    """Return whether both nodes take jobs."""
    states = _states()
    return len(states) == len(NODES) and not any(states.values())


def clear() -> None:
    """Clear errors of queues, enable them, and let unknown nodes register again."""
    _await_master()
    for option in ("-cq", "-e"):
        Host(HEAD).run(["qmod", option, "all.q"])
    for node, state in _states().items():
        if "u" in state:
            DAEMONS[1].stop(node)
            DAEMONS[1].start(node)


def settle() -> None:
    """Let the master forget jobs that were deleted, and have ended, unknown to it.

    A node that finds its master again reports no end for minutes ("delayed job
    reporting", sge_execd(8)), and keeps the slot.
    """
    deadline = time.monotonic() + _SETTLED_S
    while jobs := _deleted():
        if time.monotonic() > deadline:
            Host(HEAD).run(["qdel", "-f", *jobs])
            return
        time.sleep(0.2)


def _deleted() -> list[str]:
    shown = Host(HEAD).run(["qstat", "-u", "*", "-s", "r"]).stdout
    rows = [line.split() for line in shown.splitlines()[2:]]
    return sorted({row[0] for row in rows if "d" in row[4]})


def _states() -> dict[str, str]:
    """Return each node's state in the letters of qstat(1); none if all is well."""
    shown = Host(HEAD).run(["qstat", "-f", "-q", "all.q"]).stdout
    # queue, type, slots, load, architecture and, only if something is wrong, a state
    rows = [line.split() for line in shown.splitlines() if line.startswith("all.q@")]
    return {
        row[0].partition("@")[2]: "".join(row[5:]) or "u" * (row[3] == "-NA-")
        for row in rows
    }


def _await_master() -> None:
    deadline = time.monotonic() + MASTER_DEADLINE_S
    while (answer := Host(HEAD).run(["qconf", "-sh"])).returncode != 0:
        if time.monotonic() > deadline:
            messages = _STATE / "spool/qmaster/messages"
            msg = (
                f"sge_qmaster does not answer ({answer.stderr.strip()}): see {messages}"
            )
            raise ClusterError(msg)
        time.sleep(0.1)


def _shell(script: str, *, user: str) -> None:
    done = Host(HEAD).run(["sh", "-c", script], user=user)
    if done.returncode != 0:
        words = f"{done.stdout.strip()} {done.stderr.strip()}".strip()
        msg = f"Grid Engine is not configured: {words}"
        raise ClusterError(msg)
