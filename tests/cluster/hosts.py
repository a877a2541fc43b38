"""Hosts: an init process each, in namespaces of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import cgroups, namespaces, network
from .layout import HOSTS, LOGS, ClusterError, environment

BOOT_DEADLINE_S: Final = 10.0
DEATH_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process on a host.

    Attributes:
        pid: Its id on the machine.
        inner_pid: Its id on the host.
        name: Its name as the kernel has it, at most 15 characters.
    """

    pid: int
    inner_pid: int
    name: str


@dataclass(frozen=True)
class Host:
    """One host, known by its name; whether it is up is asked anew each time."""

    name: str

    def __post_init__(self) -> None:
        """Reject names that are not hosts."""
        if self.name not in HOSTS:
            msg = f"no host {self.name!r}: there are {', '.join(HOSTS)}"
            raise ClusterError(msg)

    def init(self) -> int | None:
        """Return the process id of the init process, or None if the host is down."""
        for process in _processes(network.processes(self.name)):
            if process.inner_pid == 1:
                return process.pid
        return None

    def processes(self) -> list[Process]:
        """Return the processes on this host, init first; none if it is down."""
        inner = [
            one for one in _processes(network.processes(self.name)) if one.inner_pid
        ]
        return sorted(inner, key=lambda process: process.inner_pid)

    def boot(self) -> None:
        """Start the init process unless it runs; the host has no daemon after that."""
        if self.init() is not None:
            return
        cgroups.create(self.name)
        kinds = "--mount --uts --ipc --pid --cgroup --fork --mount-proc --kill-child"
        command = [
            "nsenter",
            f"--net={network.namespace(self.name)}",
            "unshare",
            *kinds.split(),
        ]
        script = str(Path(__file__).with_name("boot.py"))
        package = __package__ or ""
        command += [sys.executable, "-B", script, package, self.name]
        with (LOGS / f"boot-{self.name}").open("wb") as log:
            init = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
                # There are no threads.
                preexec_fn=lambda: cgroups.join(self.name),  # noqa: PLW1509
            )
        assert init.stdout is not None
        with init.stdout as words:
            if words.readline() != b"up\n":
                msg = f"host {self.name} does not boot: see {log.name}"
                raise ClusterError(msg)
        init.returncode = 0  # it is to outlive this process: nobody waits for it

    def pull_plug(self) -> None:
        """Kill everything on this host at once, and wait for that; idempotent."""
        deadline = time.monotonic() + DEATH_DEADLINE_S
        # With the first process the kernel ends all others: one by one, some would live
        # to write down how the rest died.
        if (init := self.init()) is not None:
            _kill(init)
        # Where a crash or a person has removed a name, the other one still leads to them.
        while pids := {*network.processes(self.name), *cgroups.processes(self.name)}:
            if time.monotonic() > deadline:
                msg = f"processes of {self.name} do not die: {pids}"
                raise ClusterError(msg)
            for pid in pids:
                _kill(pid)
            time.sleep(0.01)
        cgroups.remove(self.name)

    def start(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        cwd: str = "/",
        env: dict[str, str] | None = None,
        stdin: namespaces.Stream = subprocess.DEVNULL,
        stdout: namespaces.Stream = None,
        stderr: namespaces.Stream = None,
        new_session: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a program on this host; see `namespaces.start`.

        Args:
            argv: See there, as for what follows.
            user: Whose rights and environment it gets.
            cwd: See there.
            env: What is added to that environment.
            stdin: See there.
            stdout: See there.
            stderr: See there.
            new_session: See there.

        Raises:
            ClusterError: If the host is down.
        """
        init = self.init()
        if init is None:
            msg = f"host {self.name} is down: start the cluster with `up`"
            raise ClusterError(msg)
        return namespaces.start(
            init,
            self.name,
            argv,
            user=user,
            cwd=cwd,
            env={**environment(user), **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            new_session=new_session,
        )

    def run(
        self, argv: Sequence[str], *, user: str = "root", timeout_s: float | None = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on this host to its end and capture its output."""
        process = self.start(
            argv, user=user, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            try:
                output, errors = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(
            list(argv),
            process.returncode,
            output.decode(errors="replace"),
            errors.decode(errors="replace"),
        )


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _processes(pids: Sequence[int]) -> Iterator[Process]:
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        inner = fields["NSpid"].split()[1:]
        name = fields["Name"]
        yield Process(pid=pid, inner_pid=int(inner[-1]) if inner else 0, name=name)
