"""Bringing up workers and learning how they ended.

Imports what a worker needs and no more: see `__main__`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from typing import NamedTuple

from gridmap.runner import worker
from gridmap.runner.examination import shared_memory
from gridmap.runner.outbox import Outbox
from gridmap.runner.output import widen


class Ended(NamedTuple):
    """How a worker ended.

    Attributes:
        status: Exit status, None if a signal ended it.
        signal: That signal, None if it ended by itself.
        peak: Most memory its own process held, bytes.
    """

    status: int | None
    signal: int | None
    peak: int


class WorkerProcess:
    """A worker, seen from its runner.

    Attributes:
        pid: Its process id, and that of its process group.
        sock: The runner's end of the socket; does not block.
        output: Where what it prints can be read.
        room: Bytes that can lie there unread.
        outbox: Where it says what it does, and leaves results.
        stack: Memory in which it answers where it is.
    """

    def __init__(
        self, pid: int, sock: socket.socket, output: int, outbox: Outbox, stack: int
    ) -> None:
        self.pid = pid
        self.sock = sock
        self.output = output
        self.room = widen(output)
        self.outbox = outbox
        self.stack = stack
        sock.setblocking(False)
        os.set_blocking(output, False)

    def ended(self) -> Ended | None:
        """Return how it ended, None while it lives. To be asked until it says so."""
        pid, code, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        status = os.waitstatus_to_exitcode(code)
        peak = usage.ru_maxrss * 1024
        return Ended(status, None, peak) if status >= 0 else Ended(None, -status, peak)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it and all of its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def ask(self, number: int) -> None:
        """Send a signal to the worker's own process, and to no child of it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def forget_peak(self) -> None:
        """Let the kernel begin a new peak of memory: see proc(5), ``clear_refs``."""
        with contextlib.suppress(OSError):  # then an earlier job's peak stays
            # Not by a Path: every second short job comes here.
            fd = os.open(f"/proc/{self.pid}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"5")
            finally:
                os.close(fd)

    def close(self) -> None:
        """Let go of everything that belongs to it; kill what it left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.sock.close()
        os.close(self.output)
        os.close(self.stack)
        self.outbox.close()


def fork_worker() -> WorkerProcess:
    """Fork a worker. Only while this process is young: no threads, no sockets."""
    ours, theirs = socket.socketpair()
    output, output_end = os.pipe()
    outbox, stack = Outbox(), shared_memory()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            ours.close()
            os.close(output)
            gc.enable()  # see `__main__`
            code = worker.run(theirs, outbox, output_end, stack)
        except BaseException:  # noqa: BLE001 - the end of a process: told on stderr
            import traceback  # noqa: PLC0415 - only now

            traceback.print_exc()
        finally:
            os._exit(code)
    theirs.close()
    os.close(output_end)
    return WorkerProcess(pid, ours, output, outbox, stack)


def spawn_worker() -> WorkerProcess:
    """Start a worker as a new program: this process is past forking."""
    ours, theirs = socket.socketpair()
    output, output_end = os.pipe()
    outbox, stack = Outbox(), shared_memory()
    fds = (theirs.fileno(), outbox.fd, output_end, stack)
    import subprocess  # noqa: PLC0415 - only after a crash

    process = subprocess.Popen(
        [sys.executable, "-m", "gridmap.runner.worker", *map(str, fds)],
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
    )
    process.returncode = 0  # we wait for it ourselves
    theirs.close()
    os.close(output_end)
    return WorkerProcess(process.pid, ours, output, outbox, stack)
