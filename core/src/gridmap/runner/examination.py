"""Where a worker's code is, asked of a process that may hold the interpreter's lock.

`faulthandler` answers a signal from within its C handler: it needs no lock, no memory
and no turn of the interpreter. It writes into memory that worker and runner share, so
nobody waits for anybody.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gridmap.kernel import shared_file

if TYPE_CHECKING:
    from gridmap.runner.offspring import WorkerProcess

ASK: Final = signal.SIGWINCH
"""Asks for the stack. By default it is ignored, so one that comes before the worker
listens, or after its job took the handler away, does no harm; and of terminals, whose
signal it is, a worker has none. System calls go on after it, as far as the kernel can
do that (SA_RESTART); a bare ``sleep`` of C's ends early, see signal(7)."""

ANSWER_S: Final = 0.1
"""How long the answer may take: it takes a millisecond."""

_LARGEST: Final = 20_000
"""Characters of a stack that travel: the last ones, where the main thread is."""


def shared_memory() -> int:
    """Return a descriptor of memory for one worker's answers."""
    return shared_file("gridmap-stack", 0)


def listen(fd: int) -> None:
    """Answer from now on, in the worker. Children do not: they are never asked."""
    os.set_inheritable(fd, False)
    faulthandler.register(ASK, file=fd, all_threads=True, chain=False)


class Examiner:
    """Asks a runner's workers, one at a time."""

    def __init__(self) -> None:
        self._job: int | None = None
        self._asked_at = 0.0
        self._before = 0

    def ask(self, worker: WorkerProcess, job: int, now: float) -> None:
        """Ask where a job is; `answer` has it a little later."""
        self._forget(worker)
        self._job, self._asked_at = job, now
        worker.ask(ASK)

    def answer(self, worker: WorkerProcess, now: float) -> tuple[int, str] | None:
        """Return the job that was asked for and its stack; None if none is due."""
        if self._job is None or now - self._asked_at < ANSWER_S:
            return None
        job, self._job = self._job, None
        size = os.fstat(worker.stack).st_size
        data = os.pread(worker.stack, size, 0)
        text = data.decode("utf-8", errors="replace")[-_LARGEST:]
        return job, text or _in_the_kernel(worker.pid)

    def left(self, worker: WorkerProcess) -> None:
        """The worker is over, and its memory about to be closed."""
        self._forget(worker)
        self._job = None

    def written(self, worker: WorkerProcess) -> int:
        """Return the bytes that all answers had: no I/O of the jobs'."""
        return self._before + os.fstat(worker.stack).st_size

    def _forget(self, worker: WorkerProcess) -> None:
        self._before = self.written(worker)
        os.ftruncate(worker.stack, 0)
        os.lseek(worker.stack, 0, os.SEEK_SET)  # both ends share the position


def _in_the_kernel(pid: int) -> str:
    """Return what the kernel says of a process that did not answer."""
    state, where = "unknown", ""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("State:"):
                state = line.partition(":")[2].strip()
    with contextlib.suppress(OSError):
        where = Path(f"/proc/{pid}/wchan").read_text("utf-8").strip()
    place = f", in {where}" if where not in ("", "0") else ""
    return f"(no answer from Python; the process is in state {state}{place})"
