"""What Linux can do and not every build of Python knows of.

The Pythons of conda and uv are built against a C library of 2012, so that they run
everywhere, and their `os` lacks what has come since, on whatever system they run. It is
asked for by its number then: see syscalls(2).
"""

from __future__ import annotations

import errno
import mmap
import os
import platform
import sys
from pathlib import Path
from typing import Final

CLOEXEC: Final = 0x0001
ALLOW_SEALING: Final = 0x0002
"""Flags of memfd_create(2)."""

ADD_SEALS: Final = 1033
GET_SEALS: Final = 1034
SIZE_SEALS: Final = 0x0001 | 0x0002 | 0x0004
WRITE_SEAL: Final = 0x0008
"""What fcntl(2) knows of memory, from <linux/fcntl.h>: against further sealing,
shrinking and growing, and against writing."""

MEMFD_CREATE: Final = {"x86_64": 319, "aarch64": 279, "ppc64le": 360, "s390x": 350}
"""The number of memfd_create(2), by machine."""

PIDFD_OPEN: Final = 434
"""The number of pidfd_open(2), on any machine."""

_FIXED: Final = 0x10
"""``MAP_FIXED`` of mmap(2), which the module `mmap` does not name."""

_PIECE: Final = 4 << 20
"""Copied at a time, in a third of a millisecond."""


def memfd_create(name: str, flags: int = CLOEXEC) -> int:
    """Return a descriptor of memory that has no name in any directory.

    Args:
        name: What ``/proc`` shows for it.
        flags: As the system call's.

    Raises:
        OSError: If the system has none to give, or this kernel never has (before 3.17).
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, flags)
    number = MEMFD_CREATE.get(platform.machine())
    return _call(number, os.fsencode(name), flags)


def pidfd_open(pid: int) -> int:
    """Return a descriptor that can be read once a process has ended.

    Args:
        pid: The process's number.

    Raises:
        OSError: If there is no such process, or this kernel cannot do that (before 5.3).
    """
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    return _call(PIDFD_OPEN, pid, 0)


def shared_file(name: str, size: int) -> int:
    """Return a descriptor of memory for this process and its children.

    A file that has no name any more where the kernel has no such memory.

    Args:
        name: What it is for, in letters and hyphens.
        size: In bytes; they are zero.

    Raises:
        OSError: If there is no room for it.
    """
    try:
        descriptor = memfd_create(name)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        import tempfile  # noqa: PLC0415 - few kernels are that old

        memory = "/dev/shm"  # noqa: S108 - the file's name is gone at once
        place = memory if os.access(memory, os.W_OK) else None
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-", dir=place)
        Path(path).unlink()
    os.ftruncate(descriptor, size)
    return descriptor


def write_at(descriptor: int, content: bytes | memoryview, at: int) -> None:
    """Write all of it, of which the system takes 2 GiB at a time at most.

    Args:
        descriptor: A file.
        content: Bytes.
        at: Where in the file they belong.

    Raises:
        OSError: If there is no room for them.
    """
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def map_shared(descriptor: int, size: int) -> mmap.mmap:
    """Map a file, to be written to, without a descriptor of the mapping's own.

    `mmap.mmap` keeps a copy of a descriptor and closes that number in the end, whoever
    has it by then. So it maps memory without one, in whose place the file is put.

    Args:
        descriptor: The file.
        size: Its size in bytes, whole; all its pages are there then.

    Raises:
        OSError: If the process may not have so many addresses.
    """
    import ctypes  # noqa: PLC0415 - few runs have that large data

    mapping = mmap.mmap(-1, size)
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    first = ctypes.c_char.from_buffer(mapping)
    address = ctypes.addressof(first)
    del first
    mapped = library.mmap(
        ctypes.c_void_p(address),
        ctypes.c_size_t(size),
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_SHARED | mmap.MAP_POPULATE | _FIXED,
        descriptor,
        ctypes.c_long(0),
    )
    if mapped != address:
        raise _error(ctypes.get_errno())
    return mapping


def copy_into(mapping: mmap.mmap, content: memoryview) -> None:
    """Copy bytes to the beginning of a mapping, letting other threads go on meanwhile.

    The interpreter by itself would let them after 5 ms, and where it is only given up
    for an instant they are not there in time: so this sleeps, for as short as it can.
    """
    import ctypes  # noqa: PLC0415 - see `map_shared`

    pause = ctypes.CDLL(None).usleep
    for at in range(0, len(content), _PIECE):
        mapping[at : at + _PIECE] = content[at : at + _PIECE]
        pause(1)


def _call(number: int | None, first: int | bytes, second: int) -> int:
    """Call the kernel; a number that is not known is a call it does not have."""
    if number is None or sys.platform != "linux":
        raise _error(errno.ENOSYS)
    import ctypes  # noqa: PLC0415 - most Pythons know the calls

    library = ctypes.CDLL(None, use_errno=True)
    given = ctypes.c_long(first) if isinstance(first, int) else ctypes.c_char_p(first)
    result = int(library.syscall(ctypes.c_long(number), given, ctypes.c_long(second)))
    if result < 0:
        raise _error(ctypes.get_errno())
    return result


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
