"""The whole: hosts, schedulers and agent, brought up and down together."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, cast

from . import accounts, grid_engine, naming, network, oar, packages, slurm
from .client import Cluster
from .daemons import Daemon, Scheduler
from .hosts import Host
from .layout import (
    ADDRESSES,
    AGENT_SOCKET,
    HOSTS,
    LOGS,
    OVERLAYS,
    RUN,
    SMALL,
    STATE,
    ClusterError,
    require_root,
)

SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    "sge": cast("Scheduler", grid_engine),
    "slurm": cast("Scheduler", slurm),
    "oar": cast("Scheduler", oar),
}
READY_DEADLINE_S: Final = 60.0
AGENT_DEADLINE_S: Final = 10.0

_LOCK: Final = RUN.with_suffix(".lock")
_AGENT_PID: Final = RUN / "agent.pid"


def daemon(name: str) -> Daemon:
    """Return the daemon called *name*, whatever scheduler it belongs to."""
    known = {one.name: one for each in SCHEDULERS.values() for one in each.DAEMONS}
    if name not in known:
        msg = f"no daemon {name!r}: there are {', '.join(known)}"
        raise ClusterError(msg)
    return known[name]


def up(names: Sequence[str]) -> Iterator[str]:
    """Bring up hosts, the schedulers called *names*, and the agent; idempotent.

    Returns:
        Lines for people, as things get done.

    Raises:
        ClusterError: If something does not start; what did start stays for inspection.
    """
    require_root()
    groups = ["base", *(name for name in names if name in packages.GROUPS)]
    wanted = [package for group in groups for package in packages.GROUPS[group]]
    if lacking := packages.missing(wanted):
        command = f"install {' '.join(groups)}"
        msg = f"not installed: {' '.join(lacking)}; the command `{command}` does it"
        raise ClusterError(msg)
    with _locked():
        accounts.ensure()
        _prepare()
        if not network.exists():
            for host in HOSTS:
                Host(host).pull_plug()
            network.remove()
            network.lay()
        for host in HOSTS:
            Host(host).boot()
        yield "hosts: " + ", ".join(
            f"{host} {address}" for host, address in ADDRESSES.items()
        )
        for name in names:
            SCHEDULERS[name].start()
        _start_agent()
        deadline = time.monotonic() + READY_DEADLINE_S
        for name in names:
            _await_ready(SCHEDULERS[name], deadline)
            _marker(name).touch()
            yield f"{name}: {SCHEDULERS[name].SUMMARY}"


def down() -> None:
    """Kill everything on the hosts and remove every trace but the users; idempotent."""
    require_root()
    with _locked():
        _stop_agent()
        for host in HOSTS:
            Host(host).pull_plug()
        network.remove()
        if SMALL.is_mount():
            subprocess.run(["umount", "--lazy", str(SMALL)], check=True)
        for directory in (RUN, STATE):
            shutil.rmtree(directory, ignore_errors=True)


def boot(name: str) -> None:
    """Boot one host and start the daemons that belong on it; idempotent.

    Only daemons of schedulers that have been brought up are started.
    """
    Host(name).boot()
    for scheduler in SCHEDULERS.values():
        if not _marker(scheduler.NAME).exists():
            continue
        for one in scheduler.DAEMONS:
            if name in one.hosts and one.wanted():
                one.start(name)


def repair(timeout_s: float) -> None:
    """Undo all faults that tests inject; wait until all nodes take jobs; idempotent.

    Raises:
        ClusterError: If that takes longer than *timeout_s*.
    """
    deadline = time.monotonic() + timeout_s
    brought_up = [each for each in SCHEDULERS.values() if _marker(each.NAME).exists()]
    for host in HOSTS:
        network.cable(host, up=True)
        network.unblock(host)
        naming.mend(host)
        for each in brought_up:
            for one in each.DAEMONS:
                for process in one.find(host):
                    os.kill(process.pid, signal.SIGCONT)
        boot(host)
    for each in brought_up:
        if not each.ready():
            each.clear()
        _await_ready(each, deadline)
        each.settle()


def account(*, wanted: bool) -> None:
    """Give Slurm accounting, or take it away, and wait until nodes take jobs.

    Raises:
        ClusterError: If Slurm is not up, or is of no use after that.
    """
    if not _marker("slurm").exists():
        msg = "Slurm is not up: `up slurm` starts it"
        raise ClusterError(msg)
    slurm.account(wanted=wanted)
    _await_ready(SCHEDULERS["slurm"], time.monotonic() + READY_DEADLINE_S)


class HostStatus(NamedTuple):
    """What there is to say of a host, for people, and whether all is well with it."""

    line: str
    healthy: bool


def status() -> Iterator[HostStatus]:
    """Return what there is to say of each host and of the agent."""
    for name, address in ADDRESSES.items():
        host = Host(name)
        if host.init() is None:
            yield HostStatus(f"{name:5} {address}  down", healthy=False)
            continue
        plugged = network.plugged(name)
        daemons = {
            one.name: bool(one.find(name))
            for each in SCHEDULERS.values()
            for one in each.DAEMONS
            if name in one.hosts and one.wanted() and _marker(each.NAME).exists()
        }
        shown = ", ".join(
            f"{each}{'' if runs else ' stopped'}" for each, runs in daemons.items()
        )
        cable = "up" if plugged else "up, cable pulled"
        yield HostStatus(
            f"{name:5} {address}  {cable}: {shown}", plugged and all(daemons.values())
        )
    answers = _agent_answers()
    yield HostStatus(f"agent {AGENT_SOCKET}  {'up' if answers else 'down'}", answers)


def _marker(name: str) -> Path:
    return RUN / f"{name}.up"


def _prepare() -> None:
    for directory in (RUN, STATE, LOGS):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
    SMALL.mkdir(exist_ok=True)
    if not SMALL.is_mount():  # before hosts boot: each has a mount table of its own
        options = ["-t", "tmpfs", "-o", "size=1m,mode=1777", "none", str(SMALL)]
        subprocess.run(["mount", *options], check=True)
    lines = [
        "127.0.0.1 localhost",
        *(f"{address} {host}" for host, address in ADDRESSES.items()),
    ]
    (STATE / "hosts").write_text("\n".join(lines) + "\n")
    for scheduler in SCHEDULERS.values():
        scheduler.prepare()
    for overlay in OVERLAYS:
        if overlay.source.is_dir() != overlay.target.is_dir():
            msg = f"{overlay.target} is missing, to be covered: run `install`"
            raise ClusterError(msg)


def _await_ready(scheduler: Scheduler, deadline: float) -> None:
    while not scheduler.ready():
        if time.monotonic() > deadline:
            msg = f"some nodes of {scheduler.NAME} still take no jobs: see {LOGS}"
            raise ClusterError(msg)
        time.sleep(0.1)


@contextmanager
def _locked() -> Iterator[None]:
    """Let only one process at a time change the testbed."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _agent_answers() -> bool:
    try:
        Cluster(AGENT_SOCKET).ping()
    except OSError:
        return False
    return True


def _start_agent() -> None:
    if _agent_answers():
        return
    _stop_agent()
    command = [sys.executable, "-B", str(Path(__file__).parent), "agent"]
    with (LOGS / "agent.log").open("ab") as log:
        agent = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    _AGENT_PID.write_text(str(agent.pid))
    deadline = time.monotonic() + AGENT_DEADLINE_S
    while not _agent_answers():
        if agent.poll() is not None or time.monotonic() > deadline:
            msg = f"the agent does not answer: see {log.name}"
            raise ClusterError(msg)
        time.sleep(0.05)
    agent.returncode = 0  # it is to outlive this process: nobody waits for it


def _stop_agent() -> None:
    try:
        pid = int(_AGENT_PID.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    # Whichever checkout it was started from; the id may by now be some other program's.
    if b"agent" in words and any(word.endswith(b"/cluster") for word in words):
        os.killpg(pid, signal.SIGKILL)
