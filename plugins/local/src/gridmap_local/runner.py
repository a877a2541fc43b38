"""One runner: what is known of its process, and what its end tells."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.backend import Autopsy, Ending, Handle, Limit
from gridmap_local import processes
from gridmap_local.early import HANDLE_VARIABLE

if TYPE_CHECKING:
    import subprocess

_OWN_FAULT: Final = frozenset({
    signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV,
    signal.SIGSYS, signal.SIGTRAP,
})  # fmt: skip
"""Signals a process brings on itself; any other was sent by somebody."""


class Runner(msgspec.Struct, eq=False, kw_only=True):
    """A process started for a run, by this process or by one before it.

    Attributes:
        handle: What core calls it.
        pid: Number of its process, the leader of its session.
        born: When that process was started, as the process table counts.
        deadline: When it is to be ended, by `time.monotonic`; None: never.
        child: Whether it is a child of this process.
        program: What `subprocess` has of it, if it was started by that.
        starter_peak: Most memory this process had held when it started the child,
            bytes.
        ordered: Why it was told to end; None if it was not.
        end: What is known of its end; None while it lives.
    """

    handle: Handle
    pid: int
    born: int
    deadline: float | None = None
    child: bool = False
    program: subprocess.Popen[bytes] | None = None
    starter_peak: int = 0
    ordered: Ending | None = None
    end: Autopsy | None = None
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    @property
    def mark(self) -> bytes:
        """What stands in the environment of its processes and of no others."""
        return os.fsencode(f"{HANDLE_VARIABLE}={self.handle}")

    def check(self) -> bool:
        """Return whether it is over, and if it is our child take its exit status.

        Any thread, any number of times; does not block.
        """
        with self._lock:
            if self.end is None:
                self.end = self._wait() if self.child else self._look()
            return self.end is not None

    def state(self) -> processes.Process | None:
        """Return its row of the process table, None if it has none any more."""
        return processes.same(self.pid, self.born)

    def autopsy(self) -> Autopsy | None:
        """Return what is known of its end, None while it lives.

        An order to end it counts as the cause even where it ended in good order on
        hearing of it.
        """
        if self.end is None or self.ordered is None:
            return self.end
        limit = Limit.TIME if self.ordered is Ending.SCHEDULER_LIMIT else None
        by = "its walltime was over" if limit else "it was killed through gridmap"
        return msgspec.structs.replace(
            self.end, ending=self.ordered, limit=limit, text=f"{by}; {self.end.text}"
        )

    def _wait(self) -> Autopsy | None:
        node = os.uname().nodename
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            # Other code waited for any child, or SIGCHLD is ignored and the kernel
            # throws statuses away.
            self._settle(0)
            text = "it is over; its exit status was taken by other code in this process"
            return Autopsy(node=node, text=text)
        if not pid:
            return None
        code = os.waitstatus_to_exitcode(status)
        self._settle(code)
        return Autopsy(
            ending=_ending(code),
            exit_status=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            peak_memory=self._peak(usage.ru_maxrss),
            node=node,
            text=_describe(code),
        )

    def _settle(self, code: int) -> None:
        # Or subprocess would wait for it too, when the object is thrown away.
        if self.program is not None:
            self.program.returncode = code

    def _look(self) -> Autopsy | None:
        row = self.state()
        if row is not None and row.alive:
            return None
        return Autopsy(
            node=os.uname().nodename,
            text="it is over; it was started by another process, which alone could "
            "learn its exit status",
        )

    def _peak(self, maxrss: int) -> int | None:
        # The kernel hands a process's peak on over fork and exec, so a child of a
        # large process seems large: only what exceeds the parent's was its own
        # (getrusage(2); seen on Linux 6.18).
        peak = maxrss if sys.platform == "darwin" else maxrss * 1024
        return peak if peak > self.starter_peak else None


def _ending(code: int) -> Ending | None:
    return Ending.ITSELF if code >= 0 or -code in _OWN_FAULT else None


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"ended by {name}"
