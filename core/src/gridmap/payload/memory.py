"""Large frames that processes of one host hand to each other as memory.

A frame is written once into anonymous memory that has no name anywhere, sealed, and
passed on as a descriptor. Who takes it maps it: nothing is copied before somebody
writes to it, and what is written stays the writer's own. The kernel frees it with the
last descriptor and mapping, so that nothing remains, whoever is killed and how.

Safe to call from any thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import stat
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from gridmap.errors import RemoteProtocolError

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame

LEAST_BYTES: Final = 1 << 20
"""From this size on memory of its own pays: a few system calls, about 50 us."""

MOST_MAPPINGS: Final = 128
"""Mappings a process has at a time. Python keeps a descriptor for each, and people who
keep many results must not run out of them; what comes then is read instead."""

# fcntl(2) and <linux/fcntl.h>: fcntl.F_ADD_SEALS and its like, which not every build
# of Python has.
_ADD_SEALS: Final = 1033
_GET_SEALS: Final = 1034
_SEALS: Final = 0x0001 | 0x0002 | 0x0004 | 0x0008  # seal, shrink, grow, write

_living: WeakSet[_Mapping] = WeakSet()


class Sealed:
    """Anonymous memory that nobody can change any more.

    Attributes:
        descriptor: It; closed when this object is gone.
        size: In bytes.
    """

    __slots__ = ("descriptor", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def __del__(self) -> None:
        os.close(self.descriptor)


class _Mapping(mmap.mmap):
    """Ours, so that they can be counted."""


def seal(frame: Frame) -> Sealed | None:
    """Copy a frame into memory of its own.

    Args:
        frame: It may be changed afterwards.

    Returns:
        The memory; None if the frame is too short to be worth it or the system
        has none to give (descriptors, a limit on file sizes, memory).
    """
    size = len(frame)
    if size < LEAST_BYTES:
        return None
    try:
        sealed = Sealed(os.memfd_create("gridmap-frame", _CREATE), size)
        written, view = 0, memoryview(frame)
        while written < size:
            written += os.write(sealed.descriptor, view[written:])
        fcntl.fcntl(sealed.descriptor, _ADD_SEALS, _SEALS)
    except OSError:
        return None
    return sealed


_CREATE: Final = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING


def take(descriptor: int) -> memoryview:
    """Return what another process has sealed.

    Args:
        descriptor: Of that memory; it is closed.

    Returns:
        Writable memory with the frame's bytes; what is written there, nobody else
        sees.

    Raises:
        RemoteProtocolError: If it is no sealed memory of this user's, so that it could
            change or end while it is used.
        OSError: If it cannot be mapped.
    """
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            msg = "a frame that is passed as memory is no memory of this user's"
            raise RemoteProtocolError(msg)
        if _seals(descriptor) & _SEALS != _SEALS:
            msg = "a frame that is passed as memory is not sealed"
            raise RemoteProtocolError(msg)
        if status.st_size == 0 or len(_living) >= MOST_MAPPINGS:
            return memoryview(_read(descriptor, status.st_size))
        access = mmap.PROT_READ | mmap.PROT_WRITE
        mapping = _Mapping(descriptor, status.st_size, mmap.MAP_PRIVATE, access)
    finally:
        os.close(descriptor)
    _living.add(mapping)
    return memoryview(mapping)


def _seals(descriptor: int) -> int:
    with contextlib.suppress(OSError):  # EINVAL: a file that cannot be sealed
        return fcntl.fcntl(descriptor, _GET_SEALS)
    return 0


def _read(descriptor: int, size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        at += os.preadv(descriptor, [view[at:]], at)
    return data
