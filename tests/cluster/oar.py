"""OAR 2.5.9 with a PostgreSQL of its own: files, daemons, readiness.

Debian's package has made keys for its user; they and all else that OAR writes are
copied to below `layout.STATE`, and hosts see the copy.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from .daemons import Daemon
from .hosts import Host
from .layout import CPUS_PER_NODE, HEAD, LOGS, NODES, RUN, STATE, ClusterError

_CONF: Final = Path(__file__).with_name("conf") / "oar" / "oar.conf"
_STATE: Final = STATE / "oar"
_ETC: Final = Path("/etc/oar")
_HOME: Final = Path("/var/lib/oar")
_DATABASE: Final = _STATE / "database"
_CONFIGURED: Final = _STATE / "configured"
_BIN: Final = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), Path())
_OPTIONS: Final = (
    f"-F -c listen_addresses=127.0.0.1 -c unix_socket_directories={RUN}/oar"
)

NAME: Final = "oar"
SUMMARY: Final = "OAR: four resources a node, no queue but the default ones"
DAEMONS: Final = (
    Daemon(
        name="postgres",
        process="postgres",
        hosts=(HEAD,),
        user="postgres",
        command=lambda _: (
            *(f"{_BIN}/pg_ctl", "start", "-w", "-D", str(_DATABASE)),
            *("-l", f"{LOGS}/postgres.log", "-o", _OPTIONS),
        ),
    ),
    Daemon(
        name="sshd",
        process="sshd",
        hosts=NODES,
        command=lambda _: (
            *("/usr/sbin/sshd", "-f", "/etc/oar/sshd_config"),
            *("-E", f"{LOGS}/sshd.log", "-o", "PidFile=none"),
        ),
    ),
    Daemon(
        name="almighty",
        process="Almighty",
        hosts=(HEAD,),
        command=lambda _: (
            *("/bin/sh", "-c"),
            "setsid /usr/sbin/Almighty </dev/null >/dev/null 2>&1 &",
        ),
    ),
)
_CONFIGURE: Final = f"""
set -e
oar-database --create --db-admin-user=postgres --db-admin-pass=postgres
for node in {" ".join(NODES * CPUS_PER_NODE)}; do
    oarnodesetting --add --hostname=$node
done
"""


def prepare() -> None:
    """Write configuration and database before the hosts boot; idempotent."""
    if (_STATE / "etc").exists() or not _ETC.is_dir():
        return
    _STATE.mkdir(parents=True, exist_ok=True)
    for source, copy in ((_ETC, "etc"), (_HOME, "home")):
        subprocess.run(["cp", "--archive", source, _STATE / copy], check=True)
    conf = _STATE / "etc" / "oar.conf"  # keeps its owner: a password is in it
    conf.write_text(_CONF.read_text().replace("@LOGS@", str(LOGS)))
    Path("/run/sshd").mkdir(exist_ok=True)  # where no init has made it
    for place, user in ((_DATABASE, "postgres"), (RUN / "oar", "postgres")):
        place.mkdir(mode=0o700)
        shutil.chown(place, user, user)
    for log, user in (("oar.log", "oar"), ("postgres.log", "postgres")):
        (LOGS / log).touch()
        shutil.chown(LOGS / log, user)


def start() -> None:
    """Start database, nodes and server, and add the nodes; idempotent.

    Raises:
        ClusterError: If something fails, or the hosts were booted before OAR was there.
    """
    if "gridmap" not in (seen := Host(HEAD).run(["cat", f"{_ETC}/oar.conf"])).stdout:
        msg = f"the hosts know nothing of OAR: take them down, and up ({seen.stderr})"
        raise ClusterError(msg)
    if not (_DATABASE / "PG_VERSION").exists():
        options = ("--no-sync", "--auth=trust", "--encoding=UTF8", "--pgdata")
        _run(f"{_BIN}/initdb", *options, str(_DATABASE), user="postgres")
    postgres, sshd, almighty = DAEMONS
    postgres.start(HEAD)
    if not _CONFIGURED.exists():
        _run("sh", "-c", _CONFIGURE, user="root")
        _CONFIGURED.touch()
    for node in NODES:
        sshd.start(node)
    almighty.start(HEAD)


def ready() -> bool:
    """Return whether the server listens, and both nodes take jobs."""
    listens = Host(HEAD).run(["bash", "-c", ": </dev/tcp/head/6666"]).returncode == 0
    states = Host(HEAD).run(["oarnodes", "--state"]).stdout
    return listens and states.count("Alive") == len(NODES) * CPUS_PER_NODE


def clear() -> None:
    """Take nodes back that the server suspects."""
    for node in NODES:
        Host(HEAD).run(["oarnodesetting", f"--hostname={node}", "--state=Alive"])


def settle() -> None:
    """Do nothing: it is not used where nodes fail."""


def _run(*command: str, user: str) -> None:
    done = Host(HEAD).run(command, user=user)
    if done.returncode != 0:
        msg = f"{command[0]} failed: {done.stdout.strip()} {done.stderr.strip()}"
        raise ClusterError(msg)
