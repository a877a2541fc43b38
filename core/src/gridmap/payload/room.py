"""Memory that many processes can have, and that its maker fills again.

Nobody may see that what they have changes. Who has it, the kernel knows: its maker fills
it through a descriptor that nobody else has, or a mapping made by that, which counts as
the same; what is passed on is another one, and a write lease (fcntl(2), ``F_SETLEASE``)
is refused while anybody has that, or has the memory mapped: relatives and strangers,
threads and forked children, and messages that are on their way. (Pages that a job lends
to the kernel, by vmsplice(2) say, are counted no longer once they are unmapped.) A
reference that is on its way does not lead to what is there by then, since each filling
has a number: who follows one compares it after opening the memory, see `memory.fetch`.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import mmap
import os
import signal
import sys
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

# <linux/fcntl.h>: what the module fcntl has, but not in every build of Python.
_SET_LEASE: Final = 1024
_SET_SIGNAL: Final = 10
_READ_ONLY: Final = 0o400


class Room:
    """Memory of one size, to be filled and filled again.

    Attributes:
        size: In bytes.
        since: Since when nobody has come for it, on the monotonic clock; None: not
            known yet.
    """

    def __init__(self, size: int, *, mapped: bool = False) -> None:
        """Make it.

        Args:
            size: In bytes.
            mapped: Whether it is to be mapped once it has been filled, where that
                works. Filling it again is copying then, but it counts as memory that
                this process uses.

        Raises:
            OSError: If the system has none to give, or no ``/proc``.
        """
        self.size = size
        self.since: float | None = None
        self._filling = 0
        self._maker = os.getpid()
        self._descriptor, self._file = -1, (0, 0)
        self._to_be_mapped = mapped
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
            A descriptor, as from `hand_out`.

        Raises:
            OSError: If the system has no memory or descriptor to give.
        """
        if self._mapping is not None:
            copy_into(self._mapping, memoryview(content))
        else:
            # Where the system has no memory, this is told so; who writes to a mapping
            # is killed.
            self.write(content, 0)
            if self._to_be_mapped:
                with contextlib.suppress(OSError, ImportError):  # no ctypes
                    self._mapping = map_shared(self._descriptor, self.size)
        return self.hand_out()

    def write(self, piece: Frame, at: int) -> None:
        """Put a part of something into it.

        Args:
            piece: Bytes.
            at: Where they belong.

        Raises:
            OSError: If the system has no memory to give.
        """
        write_at(self._descriptor, memoryview(piece), at)

    def hand_out(self) -> int:
        """Return a descriptor to read by what it was filled with, the caller's to close.

        It may be passed on: while it or a mapping of it is anywhere, this is not `free`.

        Raises:
            OSError: If the system has no descriptor to give.
        """
        # Its number is not that of any reference meanwhile: see `free`.
        self._number()
        return os.open(_path(self._descriptor), os.O_RDONLY | os.O_CLOEXEC)

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


@functools.cache
def is_known() -> bool:
    """Say whether this kernel tells who has memory: some that act as Linux do not.

    Raises:
        OSError: If that cannot be found out now.
    """
    return sys.platform == "linux" and _tells(Room(mmap.PAGESIZE, mapped=True))


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


def _file(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
