"""Processes that jobs leave behind: adopted by the runner, and ended with it.

A process whose parent is gone belongs to init, and nobody would know whose it was. On
Linux it goes to the nearest ancestor that asked for it instead (prctl(2),
PR_SET_CHILD_SUBREAPER), so that whatever a job has started, in whatever session and
environment, stays below its runner. Elsewhere only the worker's own group is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from gridmap.payload.spare import Spare

if TYPE_CHECKING:
    import psutil

_PR_SET_CHILD_SUBREAPER: Final = 36

_PATIENCE_S: Final = 1.0

_spare: Final = Spare()
"""Let go of to look for strays with."""


def adopt() -> None:
    """Become the parent of descendants whose own parent ends."""
    _spare.keep()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap(worker: int) -> None:
    """Take the exit statuses of the dead that nobody asks for.

    Args:
        worker: The child whose status is asked for elsewhere.
    """
    with contextlib.suppress(ChildProcessError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid == worker:
                return
            os.waitpid(dead.si_pid, os.WNOHANG)


def end(worker: int) -> None:
    """Kill all descendants, and those they start meanwhile, for a second at most.

    Args:
        worker: As for `reap`; it is killed like the others.
    """
    _spare.let_go()
    try:
        _end(worker)
    finally:
        _spare.keep()


def _childless() -> bool:
    """Whether there is no child at all, and so nothing below one."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _end(worker: int) -> None:
    if _childless():
        return  # psutil would read every process of the machine for it
    import psutil  # noqa: PLC0415 - the meter has imported it by then

    me = psutil.Process()
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        living = [child for child in me.children(recursive=True) if _lives(child)]
        if not living:
            return
        for child in living:
            with contextlib.suppress(psutil.Error):
                child.kill()
        reap(worker)
        time.sleep(0.005)  # the kernel has to take them down


def _lives(process: psutil.Process) -> bool:
    import psutil  # noqa: PLC0415 - likewise

    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
