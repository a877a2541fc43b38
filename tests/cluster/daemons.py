"""Daemons on hosts: how each is started, found and stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from .hosts import Host, Process
from .layout import ClusterError

STOP_DEADLINE_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A program that puts itself into the background.

    Attributes:
        name: What users call it.
        process: Its process name.
        hosts: Where it belongs.
        command: Host name to the program and its arguments.
        user: Whose rights it gets.
        wanted: Whether it is to run at all.
    """

    name: str
    process: str
    hosts: Sequence[str]
    command: Callable[[str], Sequence[str]]
    user: str = "root"
    wanted: Callable[[], bool] = lambda: True

    def find(self, host: str) -> list[Process]:
        """Return its processes on *host*; none if it does not run."""
        return [one for one in Host(host).processes() if one.name == self.process]

    def start(self, host: str) -> None:
        """Start it on *host* unless it runs there; return when it is a daemon.

        Raises:
            ClusterError: If it does not belong there or does not start.
        """
        if host not in self.hosts:
            msg = f"{self.name} belongs on {', '.join(self.hosts)}, not on {host}"
            raise ClusterError(msg)
        if self.find(host):
            return
        command = self.command(host)
        starting = Host(host).start(
            command,
            user=self.user,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            new_session=True,
        )
        assert starting.stdout is not None
        status = starting.wait()
        if status != 0:
            words = os.read(starting.stdout.fileno(), 4096).decode(errors="replace")
            msg = f"{' '.join(command)} on {host} ended with {status}: {words.strip()}"
            raise ClusterError(msg)
        starting.stdout.close()

    def stop(self, host: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Send *how* to it on *host* and wait for its end; idempotent.

        Raises:
            ClusterError: If it does not end.
        """
        deadline = time.monotonic() + STOP_DEADLINE_S
        for process in self.find(host):
            os.kill(process.pid, how)
        while alive := self.find(host):
            if time.monotonic() > deadline:
                msg = f"{self.name} on {host} does not end by {how.name}: {alive}"
                raise ClusterError(msg)
            time.sleep(0.02)


class Scheduler(Protocol):
    """What `testbed` needs of a scheduler; `grid_engine` and `slurm` are such.

    Attributes:
        NAME: What users call it.
        SUMMARY: A line on what there is for jobs.
        DAEMONS: What runs, in the order in which it is started.
    """

    NAME: str
    SUMMARY: str
    DAEMONS: Sequence[Daemon]

    def prepare(self) -> None:
        """Write the files that must be there before the hosts boot; idempotent."""

    def start(self) -> None:
        """Start every daemon, and set up what needs them running; idempotent."""

    def ready(self) -> bool:
        """Return whether all nodes take jobs."""

    def clear(self) -> None:
        """Let nodes take jobs again that the scheduler has put aside for some fault."""

    def settle(self) -> None:
        """Forget jobs that have ended, and that the scheduler takes for alive."""
