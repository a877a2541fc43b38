"""Starting the zygote, of which runners are copies; see `gridmap_local.zygote`.

It takes as long to import what it needs as the user's process does. So it is started
before that has imported anything, and next to nothing is imported here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS: Final = "GRIDMAP_LOCAL_"
"""What our own variables begin with."""

HANDLE_VARIABLE: Final = "GRIDMAP_LOCAL_HANDLE"

SPACE: Final = 8192
"""Bytes kept free in the process table, for a command and for variables, of which the
first, in this place, is the handle."""

CLONE: Final = {"x86_64": 56, "aarch64": 220}
"""Number of clone(2), by machine: copies are made on these."""

_INHERITED: Final = (
    *("Umask", "Uid", "Gid", "Groups", "SigIgn", "CapBnd", "NoNewPrivs", "Seccomp"),
    *("Cpus_allowed", "Mems_allowed"),
)
"""Of what ``/proc/PID/status`` says, what a child has from the one that starts it."""

_END_S: Final = 5.0


class Zygote:
    """The user's end of a zygote; used from one thread at a time.

    Attributes:
        pid: Its number; None if there is none, since it was closed, or there cannot be
            one here.
        home: The line to it.
        variables: The environment it was started in, without variables of ours.
        directory: Where it was started.
        failure: Why it could not be started; None if it could.
    """

    def __init__(self) -> None:
        """Start it, and do not wait until it is ready."""
        self.failure: OSError | None = None
        self.home, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.variables = own_variables()
        self.directory = directory()
        self._inherited = inherited()
        self._process: subprocess.Popen[bytes] | None = None
        with theirs:
            if can_clone():
                self._start(theirs.fileno())

    def _start(self, descriptor: int) -> None:
        space = " " * SPACE
        try:
            with no_signals_blocked():
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "gridmap_local.zygote"),
                        *(str(descriptor), str(os.getpid()), space),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self.variables | {HANDLE_VARIABLE: space},
                    pass_fds=(descriptor,),
                    start_new_session=True,
                )
        except OSError as error:
            self.failure = error

    @property
    def pid(self) -> int | None:
        """Its number."""
        return None if self._process is None else self._process.pid

    def is_current(self) -> bool:
        """Say whether a program that is started now would have from us what it has."""
        return self._inherited == inherited()

    def close(self) -> None:
        """End it, whatever it is at, and see it gone; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # or it might still serve what was not waited for
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        self.home.close()


def can_clone() -> bool:
    """Return whether copies can be made on this system."""
    return (
        sys.platform == "linux"
        and os.uname().machine in CLONE
        and sys.implementation.name == "cpython"
    )


def own_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment without what is for a runner that this process may be.

    A run inside a runner of another local run must not take over its name.
    """
    return {k: v for k, v in environ.items() if not k.startswith(OURS)}


def directory() -> str:
    """Return this process's working directory; empty where that is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - imports pathlib
    except OSError:
        return ""


def inherited() -> tuple[str, ...]:
    """Return what a child of this thread would have from it, variables set aside.

    Limits, priority, file mode mask and their like: `os.umask` and others of its kind
    change them at any time.
    """
    try:
        status = _read("status").splitlines()
        files = [_read("limits"), _read("cgroup")]
    except OSError:  # no /proc, and then no zygote either
        return ()
    kept = [line for line in status if line.partition(":")[0] in _INHERITED]
    return (*kept, *files, str(os.getpriority(os.PRIO_PROCESS, 0)))


def _read(name: str) -> str:
    with open(f"/proc/thread-self/{name}") as file:  # noqa: PTH123 - imports pathlib
        return file.read()


@contextlib.contextmanager
def no_signals_blocked() -> Iterator[None]:
    """Let nothing be blocked in this thread for a moment.

    A child inherits what is blocked in the thread that starts it; many programs that
    leave signals to their main thread block them in all others.
    """
    before = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
