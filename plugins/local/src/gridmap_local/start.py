"""Starting runners as processes."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import shlex
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Final

from gridmap.backend import Handle, Rejected
from gridmap_local import processes
from gridmap_local.early import HANDLE_VARIABLE, no_signals_blocked, own_variables
from gridmap_local.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import Batch, RunContext
    from gridmap_local.nursery import Nursery

DEADLINE_VARIABLE: Final = "GRIDMAP_LOCAL_DEADLINE"
SLOTS_VARIABLE: Final = "GRIDMAP_LOCAL_SLOTS"

_TRANSIENT: Final = frozenset({
    errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT,
    errno.ETXTBSY,
})  # fmt: skip
"""The machine is short of something now and may not be later (fork(2), execve(2))."""

_log = logging.getLogger(__name__)


def start(
    batch: Batch,
    handle: Handle,
    deadline: float | None,
    context: RunContext,
    nursery: Nursery | None = None,
) -> Runner | Rejected:
    """Start one runner in a session of its own.

    It reads from nowhere, writes both streams into ``HANDLE.log`` and inherits no
    descriptor. Whether the program exists is known when this returns.

    Args:
        batch: What it is to run.
        handle: What core calls it.
        deadline: When it is to be ended, by `time.monotonic`; None: never.
        context: The run.
        nursery: Where it may be had sooner; None: nowhere.

    Returns:
        The runner, or why the system would not start it, in the system's words.
    """
    log = context.logs / f"{handle}.log"
    variables = environment(batch, handle, deadline, os.environ)
    try:
        with open(log, "ab", buffering=0, opener=_private) as output:
            if nursery is not None:
                born = nursery.bear(batch, variables, output.fileno())
                if born is not None:
                    return _born(born, handle, deadline)
            program = _program(batch, variables, output)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            log.unlink()
        return rejection(batch, error)
    row = processes.look(program.pid)
    runner = Runner(
        handle=handle,
        pid=program.pid,
        born=row.born if row else 0,
        deadline=deadline,
        child=True,
        program=program,
        starter_peak=_own_peak(),
    )
    _limit_memory(program.pid, batch.resources.memory_limit)
    return runner


def _born(pid: int, handle: Handle, deadline: float | None) -> Runner:
    row = processes.look(pid)
    born = row.born if row else 0
    return Runner(handle=handle, pid=pid, born=born, deadline=deadline, child=True)


def _program(
    batch: Batch, variables: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    with no_signals_blocked():
        return subprocess.Popen(
            batch.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=batch.directory,
            env=variables,
            start_new_session=True,
        )


def environment(
    batch: Batch, handle: Handle, deadline: float | None, base: Mapping[str, str]
) -> dict[str, str]:
    """Return a runner's environment: the user's, the batch's, and who it is."""
    variables = own_variables(base)
    variables |= batch.environment
    variables[HANDLE_VARIABLE] = str(handle)
    variables[SLOTS_VARIABLE] = str(batch.resources.cores)
    if deadline is not None:
        variables[DEADLINE_VARIABLE] = repr(deadline)
    return variables


def rejection(batch: Batch, error: OSError | ValueError) -> Rejected:
    """Return why a process was not started."""
    what = f"cannot start {batch.command[0]!r} in {batch.directory!r}"
    if not isinstance(error, OSError):
        return Rejected(transient=False, text=f"{what}: {error}")
    about = f": {error.filename!r}" if error.filename else ""
    return Rejected(
        transient=error.errno in _TRANSIENT, text=f"{what}: {error.strerror}{about}"
    )


def script(batch: Batch, context: RunContext) -> str:
    """Return a shell script that does nearly what `start` does, for people."""
    variables = [shlex.quote(f"{k}={v}") for k, v in sorted(batch.environment.items())]
    command = " ".join(["setsid", "env", *variables, shlex.join(batch.command)])
    lines = [
        "#!/bin/sh",
        f"# {batch.name}",
        f"cd {shlex.quote(batch.directory)} || exit",
    ]
    if batch.resources.memory_limit is not None:
        lines.append(f"ulimit -d {batch.resources.memory_limit // 1024}")
    if batch.resources.walltime is not None:
        lines.append(f"# each is ended after {batch.resources.walltime} s")
    for number in batch.runners:
        log = shlex.quote(str(context.logs / f"runner-{number}.log"))
        lines.append(f"{command} </dev/null >>{log} 2>&1 &")
    return "\n".join(lines) + "\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _own_peak() -> int:
    # Asked after the child was started: before that it shared our memory.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _limit_memory(pid: int, limit: int | None) -> None:
    """Bound what each process of a runner may allocate.

    RLIMIT_DATA, which since Linux 4.7 counts all private writable memory, and not
    RLIMIT_AS, which also counts what is only reserved or mapped from files: CUDA,
    sanitizers and thread arenas reserve many times what they use. A job that hits it
    sees a `MemoryError`, or dies of it in a library that does not check.
    """
    if limit is None:
        return
    if sys.platform != "linux":
        _log.warning("memory_limit is not enforced on %s", sys.platform)
        return
    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))
    except ProcessLookupError:
        return
    except (OSError, ValueError) as error:
        _log.warning("memory_limit could not be set on process %d: %s", pid, error)
