"""The driver, the user's process that a run belongs to, as others see it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import msgspec


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """The user's process that a run belongs to, so that runners can miss it.

    Attributes:
        pid: Its process id, as seen on its own machine.
        start: When it started, in the kernel's own unit; only ever compared, so
            that another process under the same id is not taken for it.
        host: Name of its host, for people.
        machine: What must be equal for *pid* to mean anything: the boot of a
            machine and its process id namespace.
    """

    pid: int
    start: str
    host: str
    machine: str

    def __post_init__(self) -> None:
        """Refuse what is no process."""
        if self.pid <= 0:
            msg = f"pid {self.pid} is not one of a process"
            raise ValueError(msg)

    @classmethod
    def here(cls) -> Driver:
        """Describe the calling process."""
        pid = os.getpid()
        return cls(
            pid=pid,
            start=_start_of(pid) or "",
            host=socket.gethostname(),
            machine=_machine(),
        )

    @property
    def elsewhere(self) -> bool:
        """Whether it was started where this process cannot see it: on another host."""
        return self.machine != _machine()

    def gone(self) -> bool:
        """Say whether the driver is certainly dead.

        Costs the reading of one small file; does not block. False means "alive,
        or this machine cannot know", so on another host it is always False.
        """
        if self.elsewhere:
            return False
        return _start_of(self.pid) != self.start


def _machine() -> str:
    """Name this boot of this machine and the numbering of its processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return f"{boot.strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return f"{sys.platform} {socket.gethostname()}"


def _start_of(pid: int) -> str | None:
    """Return when a living process started; None if there is none or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_without_proc(pid)
    # proc_pid_stat(5): the name in parentheses may hold anything; after it, the
    # state is field 3 and the start time field 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZXx" else fields[19]


def _start_without_proc(pid: int) -> str | None:
    """Do the same where there is no /proc."""
    import psutil  # noqa: PLC0415 - slow to import, and not needed on Linux

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.0f}"
    except psutil.Error:
        return None
