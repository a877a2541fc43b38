"""What tests use to act on the clusters: run things elsewhere, and break things.

This module needs the standard library only and can be copied or imported from anywhere.
"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

HostName = Literal["head", "n1", "n2"]
DaemonName = Literal[
    "qmaster", "execd", "munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd"
]

VARIABLE: Final = "GRIDMAP_TEST_CLUSTER"
"""Environment variable with the path of the agent's socket."""
SLACK_S: Final = 30.0
"""How much longer than the agent should need an answer is waited for."""


class AgentError(Exception):
    """The agent could not do what it was asked.

    Attributes:
        request: What it was asked.
        reason: Its words.
    """

    def __init__(self, request: str, reason: str) -> None:
        """Keep both parts."""
        super().__init__(request, reason)
        self.request = request
        self.reason = reason

    def __str__(self) -> str:
        """Say what failed and why."""
        return f"{self.request}: {self.reason}"


class Cluster:
    """A connection to the root agent of the clusters that are up.

    Methods block until what they are for has happened, are idempotent where that makes
    sense, and raise `AgentError` if it cannot be done and `OSError` if the agent does
    not answer. Each call is a connection of its own, so threads may share an instance.

    Example:
        >>> if cluster := Cluster.find():
        ...     cluster.run("n1", ["hostname"]).stdout
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Name the agent's socket; nothing is connected yet."""
        self.path: Final = Path(path)

    @classmethod
    def find(cls) -> Self | None:
        """Return the cluster this process runs in, or None if it runs in none."""
        path = os.environ.get(VARIABLE)
        return cls(path) if path else None

    @property
    def small(self) -> Path:
        """A file system of one megabyte that all hosts share, to be filled."""
        return self.path.parent / "small"

    def ping(self) -> None:
        """Return if the agent answers."""
        self._ask("ping")

    def run(
        self,
        host: HostName,
        argv: Sequence[str],
        *,
        user: str | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        input: str = "",  # noqa: A002 - as subprocess.run calls it
        timeout: float = 60.0,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host to its end, as ssh would.

        Args:
            host: Where.
            argv: The program and its arguments; no shell looks at them.
            user: As whom; None means the test user. Root is refused: see `admin`.
            cwd: Working directory; None means the user's home.
            env: Added to the environment of a login; it is not this process's.
            input: Its standard input.
            timeout: Seconds after which it is killed.
            check: Whether to raise if its exit status is not 0.

        Returns:
            As of `subprocess.run`: the return code is ``-n`` after a death by
            signal *n*.

        Raises:
            AgentError: If host, user or program are not there, or the host is down.
            subprocess.TimeoutExpired: If it was killed for taking too long.
            subprocess.CalledProcessError: If *check* and it failed.
        """
        answer = self._ask(
            "run",
            timeout=timeout,
            host=host,
            argv=list(argv),
            user=user,
            cwd=cwd,
            env=env or {},
            input=input,
        )
        return _completed(answer, argv, timeout, check=check)

    def admin(
        self, argv: Sequence[str], *, timeout: float = 60.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a scheduler's command on head as root.

        Args:
            argv: One of `qconf`, `qmod`, `qdel`, `qalter`, `scontrol`, `scancel`, and
                what it is to do.
            timeout: As for `run`.
            check: As for `run`.

        Returns:
            As `run` does.

        Raises:
            AgentError: As `run` does, and if the command is another.
            subprocess.TimeoutExpired: As `run` does.
            subprocess.CalledProcessError: As `run` does.
        """
        answer = self._ask("admin", timeout=timeout, argv=list(argv))
        return _completed(answer, argv, timeout, check=check)

    def give(self, path: str | os.PathLike[str], user: str) -> None:
        """Make a file, a directory or a symbolic link (itself) another user's.

        Raises:
            AgentError: If it is not there, or the user is none of the clusters'.
        """
        self._ask("give", path=os.fspath(path), user=user)

    def kill(
        self, host: HostName, pid: int, signum: signal.Signals = signal.SIGKILL
    ) -> None:
        """Send a signal to process *pid*, as *host* numbers it, whosever it is."""
        self._ask("kill", host=host, pid=pid, signal=int(signum))

    def pids(self, host: HostName, pattern: str) -> list[int]:
        """Return the processes on *host* whose command line matches *pattern*.

        Args:
            host: Where; none are found if it is down.
            pattern: A regular expression, searched for in the words joined by blanks.

        Returns:
            Process ids as *host* has them, least first.
        """
        pids: list[int] = self._ask("pids", host=host, pattern=pattern)["pids"]
        return pids

    def cable(self, host: HostName, *, up: bool) -> None:
        """Plug in the network cable of *host*, or pull it; its processes live on."""
        self._ask("cable", host=host, up=up)

    def block(self, host: HostName, ports: str) -> None:
        """Let *host* reach no TCP port from ``"FIRST-LAST"`` of any other host."""
        self._ask("block", host=host, ports=ports)

    def misname(self, host: HostName, name: str, address: str) -> None:
        """Give *host* a wrong line in its ``/etc/hosts``; others keep theirs."""
        self._ask("misname", host=host, name=name, address=address)

    def stop(
        self,
        daemon: DaemonName,
        host: HostName | None = None,
        *,
        signum: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Stop a daemon and wait for its end; jobs go on without it.

        Args:
            daemon: Which.
            host: Where; None means wherever it belongs.
            signum: How; SIGKILL is a crash.
        """
        self._ask("stop", daemon=daemon, host=host, signal=int(signum))

    def freeze(self, daemon: DaemonName, host: HostName | None = None) -> None:
        """Let a daemon hang: alive, connected, and silent, until `thaw`."""
        self._ask("pause", daemon=daemon, host=host, signal=int(signal.SIGSTOP))

    def thaw(self, daemon: DaemonName, host: HostName | None = None) -> None:
        """Let a frozen daemon go on."""
        self._ask("pause", daemon=daemon, host=host, signal=int(signal.SIGCONT))

    def start(self, daemon: DaemonName, host: HostName | None = None) -> None:
        """Start a daemon that was stopped; it may take seconds until it is of use."""
        self._ask("start", daemon=daemon, host=host)

    def accounting(self, *, wanted: bool) -> None:
        """Start slurmdbd and its database and let Slurm use it, or stop them again.

        Takes two seconds, and some more when it is wanted for the first time. Jobs go
        on meanwhile. Slurm has none when it comes up, and `repair` leaves it as it is.
        """
        self._ask("account", wanted=wanted, timeout=60)

    def pull_plug(self, host: HostName) -> None:
        """Kill everything on *host* at once, daemons too, without a word to anybody."""
        self._ask("pull_plug", host=host)

    def boot(self, host: HostName) -> None:
        """Boot *host* again, plug in its cable, and start its daemons."""
        self._ask("boot", host=host)

    def repair(self, timeout: float = 60.0) -> None:
        """Undo every fault and wait until all nodes take jobs.

        Hosts are booted, cables plugged in, daemons thawed and started, nodes and
        queues cleared of errors; jobs are left alone.
        """
        self._ask("repair", timeout=timeout)

    def _ask(
        self, verb: str, *, timeout: float = 30.0, **arguments: Any
    ) -> dict[str, Any]:
        request = json.dumps({"do": verb, "timeout": timeout, **arguments})
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout + SLACK_S)
            connection.connect(str(self.path))
            connection.sendall(request.encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
        if not line:
            raise AgentError(verb, "the agent hung up: see its log, agent.log")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise AgentError(request, answer["error"])
        return answer


def _completed(
    answer: dict[str, Any], argv: Sequence[str], timeout: float, *, check: bool
) -> subprocess.CompletedProcess[str]:
    if answer["returncode"] is None:
        raise subprocess.TimeoutExpired(
            list(argv), timeout, answer["stdout"], answer["stderr"]
        )
    done = subprocess.CompletedProcess(
        list(argv), answer["returncode"], answer["stdout"], answer["stderr"]
    )
    if check:
        done.check_returncode()
    return done
