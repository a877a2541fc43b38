"""Slurm's accounting: slurmdbd and a MariaDB of its own, switched on and off.

The database listens within head's network namespace only, and holds its files below
`layout.STATE`: a MariaDB that the machine has already is left alone.
"""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from .daemons import Daemon
from .hosts import Host
from .layout import HEAD, LOGS, RUN, STATE, ClusterError

READY_DEADLINE_S: Final = 30.0

_DATABASE: Final = STATE / "slurm/database"
_SOCKET: Final = RUN / "slurm/mariadb.sock"
_ON: Final = STATE / "slurm/accounting"
_OPTIONS: Final = (
    "--no-defaults",
    f"--datadir={_DATABASE}",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-flush-log-at-trx-commit=0",  # it need not survive a crash
    "--innodb-doublewrite=0",
    "--skip-name-resolve",
)
_USER: Final = """
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
"""
# mariadbd cannot put itself into the background; it is of use once its socket is there.
_SERVE: Final = f"""
rm -f {_SOCKET}
mariadbd {" ".join(_OPTIONS)} --init-file={_DATABASE}/user.sql --socket={_SOCKET} \
    --pid-file={RUN}/slurm/mariadb.pid --bind-address=127.0.0.1 \
    --log-error={LOGS}/mariadb.log </dev/null >/dev/null 2>&1 &
until [ -S {_SOCKET} ]; do
    kill -0 $! || exit 1
    sleep 0.05
done
"""


def on() -> bool:
    """Return whether Slurm is to have accounting."""
    return _ON.exists()


def want(*, wanted: bool) -> None:
    """Say whether Slurm is to have accounting from now on."""
    if wanted:
        _ON.touch()
    else:
        _ON.unlink(missing_ok=True)


DAEMONS: Final = (
    Daemon(
        name="mariadbd",
        process="mariadbd",
        hosts=(HEAD,),
        user="slurm",
        command=lambda _: ("/bin/sh", "-c", _SERVE),
        wanted=on,
    ),
    Daemon(
        name="slurmdbd",
        process="slurmdbd",
        hosts=(HEAD,),
        user="slurm",
        command=lambda _: ("/usr/sbin/slurmdbd",),
        wanted=on,
    ),
)
"""In the order in which they are started."""


def start() -> None:
    """Start database and slurmdbd, and let it know this cluster; idempotent.

    Raises:
        ClusterError: If it is of no use within `READY_DEADLINE_S`.
    """
    _create()
    for daemon in DAEMONS:
        daemon.start(HEAD)
    deadline = time.monotonic() + READY_DEADLINE_S
    while not _knows_the_cluster():
        if time.monotonic() > deadline:
            msg = f"slurmdbd is of no use: see slurmdbd.log and mariadb.log in {LOGS}"
            raise ClusterError(msg)
        time.sleep(0.1)


def stop() -> None:
    """Stop both; what they know stays; idempotent."""
    for daemon in reversed(DAEMONS):
        daemon.stop(HEAD)


def _create() -> None:
    if (_DATABASE / "user.sql").exists():
        return
    shutil.rmtree(_DATABASE, ignore_errors=True)
    _DATABASE.mkdir(mode=0o700)
    shutil.chown(_DATABASE, "slurm", "slurm")
    for log in (LOGS / "mariadb.log", LOGS / "slurmdbd.log"):
        log.touch()
        shutil.chown(log, "slurm", "slurm")
    install = ["mariadb-install-db", *_OPTIONS, "--skip-test-db"]
    install.append("--auth-root-authentication-method=normal")
    done = subprocess.run(
        install,
        user="slurm",
        group="slurm",
        extra_groups=(),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if done.returncode != 0:
        msg = f"mariadb-install-db failed: {done.stdout}{done.stderr}"
        raise ClusterError(msg)
    (_DATABASE / "user.sql").write_text(_USER)


def _knows_the_cluster() -> bool:
    """Introduce the cluster to slurmdbd, which can be done twice."""
    known = [
        "sacctmgr",
        "--noheader",
        "--parsable2",
        "show",
        "cluster",
        "format=cluster",
    ]
    shown = Host(HEAD).run(known)
    if shown.returncode == 0 and "gridmap" in shown.stdout.split():
        return True
    Host(HEAD).run(["sacctmgr", "--immediate", "add", "cluster", "gridmap"])
    return False


def configuration() -> str:
    """Return Slurm's ``AccountingStorageType``."""
    return f"accounting_storage/{'slurmdbd' if on() else 'none'}"


def own(path: Path) -> None:
    """Make slurmdbd's configuration, which holds a password, its user's alone."""
    shutil.chown(path, "slurm", "slurm")
    path.chmod(0o600)
