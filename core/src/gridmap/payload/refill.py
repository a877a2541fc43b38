"""Memory that is filled again once nobody has it any more.

Most of what a copy of large data costs is the kernel's, which has to find a page for
every 4 KiB. Memory that has its pages already is filled in a third of the time, and in a
sixth where they are mapped. So whoever makes large frames, one after the other, keeps
it. A driver has it mapped; a worker has not, whose mappings count as its jobs' memory.

Nobody may see that what they have changes. Who has it, the kernel knows: its maker fills
it through a descriptor that nobody else has, or a mapping made by that, which counts as
the same; what is passed on is another one, and a write lease (fcntl(2), ``F_SETLEASE``)
is refused while anybody has that, or has the memory mapped: relatives and strangers,
threads and forked children, and messages that are on their way. (Pages that a job lends
to the kernel, by vmsplice(2) say, are counted no longer once they are unmapped.) A
reference that is on its way does not lead to what
is there by then, since each filling has a number: who follows one compares it after
opening the memory, see `memory.fetch`.

What is kept is bounded, and given back when it is not used for `KEPT_S`: whoever called
`begin` has to call `tidy` now and then, or `give_back` when at rest. A worker can do
neither during a job, so one that returned large data keeps its memory until that is
over. Safe to call from any thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import mmap
import os
import resource
import signal
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

from gridmap.kernel import (
    ADD_SEALS,
    ALLOW_SEALING,
    CLOEXEC,
    SIZE_SEALS,
    copy_into,
    map_shared,
    memfd_create,
    write_at,
)

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame

MOST_BYTES: Final = 1 << 28
"""What a process keeps altogether, free or not. Two arrays of 100 MB fit in: a result is
often held until the next one is there."""

MOST_ROOMS: Final = 8
"""How many. Each is a descriptor, and has to be tried while others have what is in it."""

KEPT_S: Final = 10.0
"""How long it is kept for somebody to come."""

# <linux/fcntl.h>: what the module fcntl has, but not in every build of Python.
_SET_LEASE: Final = 1024
_SET_SIGNAL: Final = 10
_READ_ONLY: Final = 0o400


class Room:
    """Memory of one size, to be filled and filled again.

    Attributes:
        size: In bytes.
        since: When `tidy` first saw it after it was kept; None: not yet.
    """

    def __init__(self, size: int) -> None:
        """Make it.

        Args:
            size: In bytes.

        Raises:
            OSError: If the system has none to give, or no ``/proc``.
        """
        self.size = size
        self.since: float | None = None
        self._filling = 0
        self._maker = os.getpid()
        self._descriptor, self._file = -1, (0, 0)
        self._mapping: mmap.mmap | None = None
        made = memfd_create("gridmap-frame", CLOEXEC | ALLOW_SEALING)
        try:
            os.ftruncate(made, size)
            fcntl.fcntl(made, ADD_SEALS, SIZE_SEALS)
            # The kernel grants a lease if it counts as many who have the file open as
            # the asker is, and what memfd_create returns it never counted.
            self._descriptor = os.open(_path(made), os.O_RDWR | os.O_CLOEXEC)
            os.fchmod(made, _READ_ONLY)  # from now on nobody opens it so but root
            self._file = _file(made)
        finally:
            os.close(made)

    def __del__(self) -> None:
        if self._descriptor >= 0 and self._ours():
            os.close(self._descriptor)

    def fill(self, content: Frame) -> int:
        """Put something into it.

        Args:
            content: As many bytes as it has room for.

        Returns:
            A descriptor to read that by, which is the caller's to close. It may be
            passed on: while it or a mapping of it is anywhere, this is not `free`.

        Raises:
            OSError: If the system has no memory or descriptor to give.
        """
        # Its number is not that of any reference meanwhile: see `free`.
        if self._mapping is not None:
            copy_into(self._mapping, memoryview(content))
        else:
            # Where the system has no memory, this is told so; who writes to a mapping
            # is killed.
            write_at(self._descriptor, memoryview(content), 0)
            self._map()
        self._number()
        return os.open(_path(self._descriptor), os.O_RDONLY | os.O_CLOEXEC)

    def _map(self) -> None:
        """Map it for the fillings to come, where that takes nothing from others."""
        addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
        if True in _users.values() and addresses == resource.RLIM_INFINITY:
            with contextlib.suppress(OSError, ImportError):  # a Python without ctypes
                self._mapping = map_shared(self._descriptor, self.size)

    def free(self) -> bool:
        """Say whether nobody has any more what was in it, nor can have from now on."""
        if self._maker != os.getpid() or not self._ours() or not self._alone():
            return False
        # Somebody may still come by an old reference. If he opened it before we asked,
        # we were refused; if he does so from here on, he finds another number; and if
        # he did so between, has it open now.
        self._number()
        return self._alone()

    def _ours(self) -> bool:
        """Say whether nobody has closed our descriptor, as programs do that daemonise.

        Its number would be that of some file of theirs.
        """
        try:
            return _file(self._descriptor) == self._file
        except OSError:
            return False

    def _number(self) -> None:
        """Give what is in it another number: the memory's time of modification."""
        self._filling += 1
        os.utime(self._descriptor, ns=(self._filling, self._filling))

    def _alone(self) -> bool:
        # Who opens it while we hold the lease waits for us, and the kernel tells us so.
        # SIGIO, its usual word for that, would end this process, so it is to be one that
        # is ignored; which the kernel forgets with each lease.
        fcntl.fcntl(self._descriptor, _SET_SIGNAL, signal.SIGURG)
        try:
            fcntl.fcntl(self._descriptor, _SET_LEASE, fcntl.F_WRLCK)
        except OSError:
            return False
        fcntl.fcntl(self._descriptor, _SET_LEASE, fcntl.F_UNLCK)
        return True


_kept: deque[Room] = deque()

_users: dict[int, bool] = {}
"""Who has memory kept, and whether it may be mapped. What is done to this is done in one
step."""


def begin(user: object, *, mapped: bool = False) -> None:
    """Keep memory from now on. Idempotent.

    Args:
        user: For whom, until the same calls `end`.
        mapped: Whether it may count as memory that this process uses.
    """
    _users[id(user)] = mapped


def end(user: object) -> None:
    """Give all of it back, unless others still use it. Idempotent.

    Args:
        user: As for `begin`.
    """
    _users.pop(id(user), None)
    if not _users:
        give_back()


def room(size: int) -> Room | None:
    """Return memory of a size that can be filled, and is kept later if that pays.

    Args:
        size: In bytes.

    Returns:
        It; None if none is to be kept, or cannot be here: the system has none to give,
        or no ``/proc``, as after chroot(2).
    """
    if not _users or size > MOST_BYTES // 2 or not _known():
        return None
    for one in list(_kept):
        if one.size != size:
            continue
        with contextlib.suppress(ValueError):  # another thread was faster
            _kept.remove(one)
            if one.free():
                return one
            _kept.append(one)
    with contextlib.suppress(OSError):
        return Room(size)
    return None


def keep(one: Room) -> None:
    """Take back what was filled: here nobody has that any more. Never waits."""
    one.since = None
    _kept.append(one)
    with contextlib.suppress(IndexError):  # another thread was faster
        while len(_kept) > MOST_ROOMS or _bytes() > MOST_BYTES:
            _kept.popleft()
    if not _users:
        give_back()


def tidy(now: float) -> None:
    """Give back what nobody came for.

    Args:
        now: The time on the monotonic clock.
    """
    for one in list(_kept):
        if one.since is None:
            one.since = now
        elif now - one.since >= KEPT_S:
            with contextlib.suppress(ValueError):  # somebody came for it
                _kept.remove(one)


def kept() -> bool:
    """Say whether there is anything to give back."""
    return bool(_kept)


def give_back() -> None:
    """Give back all that is kept."""
    _kept.clear()


@functools.cache
def _known() -> bool:
    """Say whether this kernel tells who has memory: some that act as Linux do not."""
    if sys.platform != "linux":
        return False
    try:
        return _tells(Room(mmap.PAGESIZE))
    except OSError:
        return False


def _tells(one: Room) -> bool:
    if not one.free():
        return False
    os.close(one.fill(bytes(one.size)))
    descriptor = one.fill(bytes(one.size))  # it is mapped by now
    try:
        if one.free():
            return False
        mapping = mmap.mmap(descriptor, one.size, mmap.MAP_PRIVATE, mmap.PROT_READ)
    finally:
        os.close(descriptor)
    with contextlib.closing(mapping):
        if one.free():
            return False
    return one.free()


def _bytes() -> int:
    return sum(one.size for one in list(_kept))


def _forget() -> None:
    """In a forked child: this is its parent's, who alone knows who has it."""
    _users.clear()
    give_back()


os.register_at_fork(after_in_child=_forget)


def _file(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
