"""The process table of this machine, and signals that cannot hit a stranger.

A pid alone names nobody: it is given to another process once its owner is gone. A
pid with the time of birth does. On Linux both come from ``/proc`` (proc(5)), which
is read directly, since observing a thousand runners is a thousand small reads;
elsewhere from psutil.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

PROC: Final = Path("/proc")


class State(enum.Enum):
    """What a process is doing, as far as it matters here."""

    ALIVE = "alive"
    STOPPED = "stopped"
    DEAD = "dead"
    """Over, and not yet waited for by its parent."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the process table.

    Attributes:
        pid: Its number.
        born: When it was started, in a unit of the system's own, counted from the
            start of the machine or the epoch. Later is larger.
        parent: Its parent's number.
        group: Its process group.
        session: Its session.
        state: What it is doing.
        letter: The system's own word for that.
    """

    pid: int
    born: int
    parent: int
    group: int
    session: int
    state: State
    letter: str

    @property
    def alive(self) -> bool:
        """Whether it can still do anything, now or after a signal."""
        return self.state is not State.DEAD


def look(pid: int) -> Process | None:
    """Return the process that has this number now, None if there is none."""
    return _look(pid)


def table() -> dict[int, Process]:
    """Return all processes that can be seen, by number."""
    found = (_look(pid) for pid in _pids())
    return {process.pid: process for process in found if process is not None}


def environ(pid: int) -> bytes:
    """Return a process's environment as it was started with, empty if hidden."""
    return _environ(pid)


def boot() -> str:
    """Return a text that changes when the machine starts anew."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"


def same(pid: int, born: int) -> Process | None:
    """Return the process of this number if it is still the one born then."""
    process = look(pid)
    return process if process is not None and process.born == born else None


def send(process: Process, number: int) -> bool:
    """Send a signal to this very process, never to a successor of its number.

    Returns:
        Whether it was sent; False if the process is gone or not ours to signal.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not hasattr(os, "pidfd_open"):
            if same(process.pid, process.born) is None:
                return False
            os.kill(process.pid, number)
            return True
        descriptor = os.pidfd_open(process.pid)
        try:
            if same(process.pid, process.born) is None:
                return False
            signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
        return True
    return False


def families(
    leaders: Mapping[bytes, tuple[int, int]], rows: Mapping[int, Process]
) -> dict[bytes, list[Process]]:
    """Return the living processes that belong to each of some sessions' leaders.

    Those are the members of its session, whoever was started with the leader's mark
    in the environment (a process can leave its session), and all their descendants.

    Args:
        leaders: Number and birth of each leader, which may be over, by its mark:
            ``NAME=value``, set for the leader and for nobody else.
        rows: The process table.
    """
    if not leaders:
        return {}
    members: dict[bytes, set[int]] = {mark: set() for mark in leaders}
    # The numbers of a session stay taken while its leader is in the table.
    sessions = {
        pid: mark
        for mark, (pid, born) in leaders.items()
        if pid in rows and rows[pid].born == born
    }
    oldest = min(born for _, born in leaders.values())
    for row in rows.values():
        if row.session in sessions:
            members[sessions[row.session]].add(row.pid)
        elif row.born >= oldest:
            for mark in members.keys() & set(environ(row.pid).split(b"\0")):
                members[mark].add(row.pid)
    children: dict[int, list[int]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row.pid)
    found = {m: _with_descendants(pids, children) for m, pids in members.items()}
    own = os.getpid()
    return {
        mark: [rows[pid] for pid in pids if rows[pid].alive and pid != own]
        for mark, pids in found.items()
    }


def _with_descendants(
    members: Collection[int], children: Mapping[int, Collection[int]]
) -> set[int]:
    found: set[int] = set()
    todo = list(members)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def _proc_pids() -> Iterable[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208 - names are all it needs, in every poll of an ending


def _proc_look(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command's name is in parentheses and may itself hold any of them.
    fields = text[text.rindex(b")") + 2 :].split()
    letter = fields[0].decode()
    state = State.ALIVE
    if letter in "ZXx":
        state = State.DEAD
    elif letter == "T":
        state = State.STOPPED
    return Process(
        pid=pid,
        born=int(fields[19]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=state,
        letter=letter,
    )


def _proc_environ(pid: int) -> bytes:
    try:
        return (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


def _psutil_pids() -> Iterable[int]:
    import psutil  # noqa: PLC0415 - not needed where /proc is

    return psutil.pids()


def _psutil_look(pid: int) -> Process | None:
    import psutil  # noqa: PLC0415 - not needed where /proc is

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            status = process.status()
            born = round(process.create_time() * 1_000_000)
            parent = process.ppid()
            group, session = os.getpgid(pid), os.getsid(pid)
    except (psutil.Error, OSError):
        return None
    state = State.ALIVE
    if status in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
        state = State.DEAD
    elif status == psutil.STATUS_STOPPED:
        state = State.STOPPED
    return Process(
        pid=pid,
        born=born,
        parent=parent,
        group=group,
        session=session,
        state=state,
        letter=status,
    )


def _psutil_environ(pid: int) -> bytes:
    import psutil  # noqa: PLC0415 - not needed where /proc is

    try:
        pairs = psutil.Process(pid).environ().items()
    except (psutil.Error, OSError):
        return b""
    return b"\0".join(os.fsencode(f"{name}={value}") for name, value in pairs)


_pids: Callable[[], Iterable[int]]
_look: Callable[[int], Process | None]
_environ: Callable[[int], bytes]
if sys.platform == "linux":
    _pids, _look, _environ = _proc_pids, _proc_look, _proc_environ
else:
    _pids, _look, _environ = _psutil_pids, _psutil_look, _psutil_environ
