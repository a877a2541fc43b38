"""How a worker becomes a process of its own, and then like the user's."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import Final

import msgspec

_PR_SET_PDEATHSIG: Final = 1


class Setup(msgspec.Struct, frozen=True):
    """How the worker becomes like the user's process.

    Attributes:
        environment: Variables to set, and (None) to unset.
        directory: Working directory; kept as it is if it cannot be entered.
        path: Entries to put first on ``sys.path``.
        warnings: Signals by which the scheduler warns. It may send them to all of a
            runner's processes (Grid Engine 8.1.9 does), and they are not the worker's.
        keeps: How many bytes of memory in which results were passed on are kept for the
            next ones.
    """

    environment: dict[str, str | None]
    directory: str
    path: tuple[str, ...]
    warnings: tuple[int, ...] = ()
    keeps: int = 0


def detach(output_fd: int | None) -> None:
    """Become a group of its own that dies with the runner.

    Args:
        output_fd: Where standard output and error go; None leaves them.
    """
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the driver's
    signal.set_wakeup_fd(-1)
    if output_fd is not None:
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)
        os.set_inheritable(output_fd, False)  # kept: a job may close or redirect 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115 - for the life of the process
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - likewise


def hear_nothing(*_: object) -> None:
    """Do nothing, but not as SIG_IGN does: what a job starts hears signals as ever."""


def set_up(setup: Setup) -> None:
    """Make this process like the user's, as far as that is possible on this node."""
    for number in setup.warnings:
        signal.signal(number, hear_nothing)
    for name, value in setup.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    time.tzset()
    if setup.directory:
        with contextlib.suppress(OSError):  # it may exist on the submit host only
            os.chdir(setup.directory)
    known = set(sys.path)
    sys.path[:0] = [entry for entry in setup.path if entry not in known]
    # The runner module is __main__ here; what the user's __main__ held travels by value.
    sys.argv = [""]
