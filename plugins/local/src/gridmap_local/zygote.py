"""``python -m gridmap_local.zygote``: an interpreter that becomes runners.

A runner's modules take longer to import than most first jobs to run. So one process
imports them, while the user's process still prepares the run, and each runner is a
copy of it: it is there within a millisecond or two, and shares with the others what it
does not change. The user's end is `gridmap_local.nursery`.

What only some runners need, or need later, comes last: a request that is there is
served before that, and such a runner imports it by itself.

A copy is no child of this process but of the one that started it (``CLONE_PARENT``,
clone(2)), just as if that had started it: who wants to know how a runner ended, and who
ends it, need not know of this process, and it may die at any time.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gridmap.kernel import pidfd_open
from gridmap_local.early import CLONE, HANDLE_VARIABLE, SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST: Final = 60_000
"""Bytes of a request."""

_FIRST: Final = (
    "ctypes",
    "gridmap.runner.__main__",
    "gridmap.runner.service",
    "gridmap.runner.worker",
    "gridmap.transport.unix.runner",
    "gridmap_local.backend",
)
_THEN: Final = ("cloudpickle", "gridmap.runner.vitals")
_LOOK_MS: Final = 1000.0
"""Between two looks whether the user's process is there, where nothing tells."""

_CLONE_PARENT: Final = 0x8000
_ARGUMENTS, _VARIABLES = 45, 47
"""Where ``/proc/PID/stat`` says that these begin, counted from the state; proc(5)."""


def main(descriptor: int, parent: int) -> NoReturn:
    """Serve requests until the user's process hangs up or is gone.

    Args:
        descriptor: The socket to it.
        parent: Its number.
    """
    _show([sys.executable, "-m", "gridmap_local.zygote"], {HANDLE_VARIABLE: ""})
    _import(_FIRST)
    home = socket.socket(fileno=descriptor)
    poll = select.poll()
    poll.register(home, select.POLLIN)
    life, pause = -1, _LOOK_MS
    with contextlib.suppress(OSError):  # before Linux 5.3 one has to look
        life, pause = pidfd_open(parent), -1.0
        poll.register(life, select.POLLIN)
    then = list(_THEN)
    while os.getppid() == parent:
        events = poll.poll(0 if then else pause)
        if not events:
            if then:
                _import([then.pop(0)])
            continue
        if all(fd == life for fd, _ in events):
            break
        text, logs, _, _ = socket.recv_fds(home, MOST, 1)
        if not text:
            break
        home.send(json.dumps(_serve(json.loads(text), logs[0], (home, life))).encode())
        os.close(logs[0])
    os._exit(0)


def _import(modules: Iterable[str]) -> None:
    """Import what runners and their workers will need, and never look at it again."""
    gc.disable()  # what is imported is no garbage
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    gc.enable()


def _serve(request: dict[str, Any], log: int, ours: tuple[socket.socket, int]) -> int:
    """Make a copy; return its number, 0 if this would not be what was asked for."""
    with contextlib.suppress(OSError):
        if Path(request["directory"]).samefile("."):
            pid = _clone()
            if pid == 0:
                _become(request, log, ours)
            return max(pid, 0)
    return 0


def _clone() -> int:
    """Fork, as a sibling and not as a child; return as fork(2) does, -1 for an error.

    `os.fork` with a flag that it has no argument for: what Python does before and after
    is done here. The C library's part is left out, which is for processes with threads.
    """
    import ctypes  # noqa: PLC0415 - who starts this process imports this module too

    python, system = ctypes.pythonapi, ctypes.PyDLL(None)
    flags = ctypes.c_long(_CLONE_PARENT | signal.SIGCHLD)
    rest = [ctypes.c_long(0)] * 4
    python.PyOS_BeforeFork()
    pid = int(system.syscall(CLONE[os.uname().machine], flags, *rest))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def _become(
    request: dict[str, Any], log: int, ours: tuple[socket.socket, int]
) -> NoReturn:
    """Be the runner that was asked for."""
    status = 70
    try:
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        ours[0].close()
        if ours[1] >= 0:
            os.close(ours[1])
        os.environ.update(request["environment"])
        _show(request["command"], request["environment"])
        from gridmap.runner.__main__ import main as run  # noqa: PLC0415 - imported before

        sys.orig_argv[:] = request["command"]
        sys.argv[1:] = request["command"][3:]
        status = run(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the end of a process: told in its log
        import traceback  # noqa: PLC0415 - only now

        traceback.print_exc()
    finally:
        os._exit(status)


def _show(command: list[str], environment: dict[str, str]) -> None:
    """Show a command and variables in the process table, where others read them.

    Both lie where exec(2) has put them; the space for these was made then. That the last
    byte of the command's is not zero says that it is one text now; proc(5), ``cmdline``.
    """
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - no need of pathlib here
        fields = file.read().rpartition(b") ")[2].split()
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123 - likewise
        begin, end = (int(field) for field in fields[_ARGUMENTS : _ARGUMENTS + 2])
        _write(memory, begin, shown(command, {})[0], end - begin - 1)
        memory.write(b"-")
        begin, end = (int(field) for field in fields[_VARIABLES : _VARIABLES + 2])
        memory.seek(begin)
        name = b"\0%b=" % HANDLE_VARIABLE.encode()
        at = (b"\0" + memory.read(end - begin)).index(name)
        _write(memory, begin + at, shown([], environment)[1], SPACE + len(name) - 1)


def shown(
    command: Iterable[str], environment: Mapping[str, str]
) -> tuple[bytes, bytes]:
    """Return what of these stands in the process table; there is `SPACE` for each."""
    variables = [os.fsencode(f"{name}={value}") for name, value in environment.items()]
    return b" ".join(map(os.fsencode, command)), b"\0".join(variables)


def _write(memory: Any, at: int, text: bytes, room: int) -> None:
    memory.seek(at)
    memory.write(text.ljust(room, b"\0"))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
