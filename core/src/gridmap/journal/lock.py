"""The lock of a named run: one process drives it, and everybody can tell which.

It is a POSIX lock on a file in the run's directory, so the kernel releases it with the
process, however that dies, and children forked from it do not inherit it, as they would
one of flock(2). The file says who holds it. It is never taken away while somebody could
be about to lock it, but with its whole directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import sys
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.driver import Driver
from gridmap.errors import RunBusyError, RunError

if TYPE_CHECKING:
    from pathlib import Path

    from gridmap.rundir import RunDirectory

_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MOST_TRIES: Final = 100
_LARGEST_NOTE: Final = 4096
_FLOCK: Final = struct.Struct("hhqqi")  # fcntl_locking(2), as Linux lays it out

# Closing any descriptor of a file drops the process's locks on it (fcntl_locking(2)),
# so a process must not open what it holds: it has to remember.
_held: Final[dict[str, int]] = {}
_mutex: Final = threading.Lock()


class RunLock:
    """The right to drive a run, held by this process until `release` or its death.

    A child that is forked does not have it.

    Attributes:
        works: Whether the file system can lock. If not, who drives the run is what
            the file says, and what cannot be true any more is found out only on the
            host of that process.
    """

    def __init__(self, path: Path, descriptor: int, *, works: bool) -> None:
        """Keep what `take` has locked."""
        self._path = path
        self._descriptor: int | None = descriptor
        self.works = works

    @classmethod
    def take(cls, run: RunDirectory) -> RunLock:
        """Take the lock of a run, or tell who has it. Does not wait.

        Args:
            run: A named run.

        Raises:
            RunBusyError: If a process is driving the run, this one perhaps.
            RunError: If the file cannot be made or trusted, or the directory is
                being taken away at this moment.
        """
        key, name = os.path.realpath(run.lock), run.given_name or run.name
        with _mutex:
            if _held.get(key) == os.getpid():
                here = Driver.here()
                raise RunBusyError(name, here.pid, here.host)
            for _ in range(_MOST_TRIES):
                try:
                    descriptor = _open(run.lock, create=True)
                except OSError as error:
                    msg = f"the lock of run {name} cannot be made: {error}"
                    raise RunError(msg) from error
                with contextlib.ExitStack() as stack:
                    stack.callback(os.close, descriptor)
                    works = _try_lock(descriptor, run, name)
                    if not _is_still(run.lock, descriptor):
                        continue  # taken away together with its run, and made anew
                    _write_note(descriptor)
                    stack.pop_all()
                    _held[key] = os.getpid()
                    return cls(run.lock, descriptor, works=works)
        msg = f"the lock of run {name} does not stay; is its directory in use?"
        raise RunError(msg)

    def release(self) -> None:
        """Let others drive the run. Idempotent; raises nothing."""
        with _mutex:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is None:
                return
            key = os.path.realpath(self._path)
            if _held.get(key) == os.getpid():  # not a forked child
                del _held[key]
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> RunLock:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()


def driver_of(run: RunDirectory) -> Driver | None:
    """Return the process that drives a named run now, None if none does.

    Changes nothing and does not block. Where what the file says is unreadable, the
    driver's host is empty.

    Raises:
        RunError: If the file cannot be trusted or read.
    """
    key = os.path.realpath(run.lock)
    with _mutex:
        if _held.get(key) == os.getpid():
            return Driver.here()
        try:
            descriptor = _open(run.lock, create=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"the lock {run.lock} cannot be read: {error}"
            raise RunError(msg) from error
        try:
            return _holder(descriptor)
        finally:
            os.close(descriptor)


def _open(path: Path, *, create: bool) -> int:
    """Open a lock file that is the caller's own alone."""
    descriptor = os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o600)
    info = os.fstat(descriptor)
    own = info.st_uid == os.geteuid() and not info.st_mode & _OTHERS
    if own and stat.S_ISREG(info.st_mode):
        return descriptor
    os.close(descriptor)
    msg = (
        f"the lock {path} must be a file of yours alone (user {os.geteuid()}, mode "
        f"0600), but belongs to user {info.st_uid} and has mode "
        f"{stat.S_IMODE(info.st_mode):04o}; take it away if no process drives that run"
    )
    raise RunError(msg)


def _try_lock(descriptor: int, run: RunDirectory, name: str) -> bool:
    """Lock an open file; say whether its file system can do that.

    Raises:
        RunBusyError: If another process has it.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        holder = _note(descriptor)
        if holder is None:
            raise RunBusyError(name, None, "") from None
        raise RunBusyError(name, holder.pid, holder.host) from None
    except OSError as error:  # ENOLCK, ENOSYS, EOPNOTSUPP: as the file system likes
        holder = _note(descriptor)
        if holder is not None and not holder.gone():
            advice = (
                f"The file system of {run.lock} cannot lock ({error.strerror}): if that "
                "process is dead, take the file away"
            )
            raise RunBusyError(name, holder.pid, holder.host, advice) from error
        return False
    return True


def _holder(descriptor: int) -> Driver | None:
    """Return who holds the lock on an open file, which is not this process."""
    noted = _note(descriptor)
    if sys.platform != "linux":
        return None if noted is None or noted.gone() else noted
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
    except OSError:  # cannot lock
        return None if noted is None or noted.gone() else noted
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    if kind == fcntl.F_UNLCK:
        return None
    return noted or Driver(pid=max(pid, 1), start="", host="", machine="")


def _note(descriptor: int) -> Driver | None:
    try:
        data = os.pread(descriptor, _LARGEST_NOTE, 0)
        return msgspec.json.decode(data, type=Driver)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def _write_note(descriptor: int) -> None:
    """Say who holds it. That it is held counts, so a full disk is no reason to stop."""
    data = msgspec.json.encode(Driver.here())
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)  # for the other hosts of a network file system


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
