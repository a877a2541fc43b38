"""Large frames that processes of one host hand to each other as memory.

A frame is written once into anonymous memory that has no name anywhere, sealed, and
passed on: between relatives as a descriptor, else as a *reference*, by which whoever
may look into the other process opens it. Who takes it maps it: nothing is copied
before somebody writes to it, and what is written stays the writer's own. The kernel
frees it with the last descriptor and mapping, so that nothing remains, whoever is
killed and how.

Nothing else can be had by a reference: what it leads to is looked at before it is
opened, and is memory of this user's that nobody else can change, or refused. Its maker
does not while anybody has it, see `room`.

Safe to call from any thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import mmap
import os
import stat
import struct
import weakref
from typing import TYPE_CHECKING, Final

from gridmap.errors import RemoteProtocolError
from gridmap.kernel import (
    ADD_SEALS,
    ALLOW_SEALING,
    CLOEXEC,
    GET_SEALS,
    SIZE_SEALS,
    WRITE_SEAL,
    memfd_create,
    write_at,
)
from gridmap.payload import refill

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame
    from gridmap.payload.room import Room

LEAST_BYTES: Final = 1 << 20
"""From this size on memory of its own pays: a few system calls, about 50 us."""

MOST_MAPPINGS: Final = 128
"""Mappings for use a process has at a time. Python keeps a descriptor for each, and
people who keep many results must not run out of them; what comes then is read."""

REFERENCE: Final = struct.Struct("<QQQQ")
"""A descriptor of its sender's, the inode it stands for, the size in bytes, and the
number of the filling (see `room`): its time of modification, in nanoseconds."""

_WRITABLE: Final = 0o222
_O_PATH: Final = 0o10000000  # open(2): look at it without opening it


class Sealed:
    """Anonymous memory that nobody changes any more.

    Attributes:
        descriptor: It; closed when this object is gone.
        size: In bytes.
    """

    __slots__ = ("_room", "descriptor", "size")

    def __init__(self, descriptor: int, size: int, room: Room | None = None) -> None:
        self.descriptor = descriptor
        self.size = size
        self._room = room

    def __del__(self) -> None:
        os.close(self.descriptor)
        if self._room is not None:
            refill.keep(self._room)

    @property
    def reference(self) -> bytes:
        """What another process opens it by while this object lives."""
        status = os.fstat(self.descriptor)
        return REFERENCE.pack(
            self.descriptor, status.st_ino, self.size, status.st_mtime_ns
        )


class _Mapping(mmap.mmap):
    """For use, writable. A class of its own, so that they can be counted."""


_living: weakref.WeakSet[_Mapping] = weakref.WeakSet()


# Sending ----------------------------------------------------------------------------


def make(content: Frame) -> Sealed:
    """Copy bytes of any number into memory of its own.

    Raises:
        OSError: If the system has none to give.
    """
    size = len(content)
    if size >= LEAST_BYTES and (room := refill.room(size)) is not None:
        with contextlib.suppress(OSError):  # no /proc any more, as after chroot(2)
            return Sealed(room.fill(content), size, room)
    sealed = Sealed(fresh(size), size)
    write_at(sealed.descriptor, memoryview(content), 0)
    shut(sealed.descriptor)
    return sealed


def fresh(size: int) -> int:
    """Return a descriptor of memory to be filled and `shut`, the caller's to close.

    Args:
        size: In bytes; the system gives memory for those that are written.

    Raises:
        OSError: If it has none to give.
    """
    descriptor = memfd_create("gridmap-frame", CLOEXEC | ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def shut(descriptor: int) -> None:
    """Let nobody change memory any more."""
    fcntl.fcntl(descriptor, ADD_SEALS, SIZE_SEALS | WRITE_SEAL)


# Taking -----------------------------------------------------------------------------


def fetch(pid: int, reference: Frame, limit_bytes: int) -> int:
    """Open what another process refers to.

    Args:
        pid: The process, which has shown that it is who it says.
        reference: What its `Sealed.reference` was.
        limit_bytes: How large it may be.

    Returns:
        A descriptor, which is the caller's to close, as `take` and `held.relay` do.

    Raises:
        RemoteProtocolError: If it is anything but memory of this user's that is sealed
            and as large as told. Nothing is opened then that is not such memory.
        OSError: If it is not there any more, or cannot be opened.
    """
    if len(reference) != REFERENCE.size:
        msg = f"a reference to memory has {REFERENCE.size} bytes, not {len(reference)}"
        raise RemoteProtocolError(msg)
    number, inode, size, filling = REFERENCE.unpack(reference)
    if size > limit_bytes:
        msg = f"a frame of {size} bytes where at most {limit_bytes} are allowed"
        raise RemoteProtocolError(msg)
    # A pipe would make us wait, and a device do things, were it opened unseen.
    place = os.open(f"/proc/{pid}/fd/{number}", _O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(place)
        if not stat.S_ISREG(status.st_mode) or status.st_dev != _device():
            msg = "a reference leads to something that is no memory"
            raise RemoteProtocolError(msg)
        if status.st_ino != inode:
            msg = "the memory that a reference leads to is gone"
            raise ProcessLookupError(msg)
        descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)
    try:
        _compare(check(descriptor), size, filling)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _compare(found: os.stat_result, size: int, filling: int) -> None:
    """See that memory is what was told. Only once it is open, see `room`."""
    if found.st_size != size:
        msg = f"memory of {size} bytes has {found.st_size}"
        raise RemoteProtocolError(msg)
    if found.st_mtime_ns != filling:
        msg = "what the memory had that a reference leads to is gone"
        raise ProcessLookupError(msg)


@functools.cache
def _device() -> int:
    """Return where the kernel keeps anonymous memory, and nothing else with a name."""
    sealed = make(b"")
    return os.fstat(sealed.descriptor).st_dev


def take(descriptor: int) -> memoryview:
    """Return what another process has sealed, for use.

    Args:
        descriptor: Of that memory; it is closed.

    Returns:
        Writable memory with the frame's bytes; what is written there, nobody else
        sees.

    Raises:
        RemoteProtocolError: If it is no sealed memory of this user's, so that it could
            change or end while it is used.
    """
    try:
        return _private(descriptor, check(descriptor).st_size)
    finally:
        os.close(descriptor)


def own(sealed: Sealed) -> memoryview:
    """Return memory for use that is like what is sealed, each time another.

    Args, Returns, Raises: As `take`; nothing is closed.
    """
    return _private(sealed.descriptor, sealed.size)


def _private(descriptor: int, size: int) -> memoryview:
    if size == 0 or len(_living) >= MOST_MAPPINGS:
        return memoryview(_read(descriptor, size))
    access = mmap.PROT_READ | mmap.PROT_WRITE
    try:
        mapping = _Mapping(descriptor, size, mmap.MAP_PRIVATE, access)
    except OSError:  # Python keeps a descriptor for each, and there is none
        return memoryview(_read(descriptor, size))
    _living.add(mapping)
    return memoryview(mapping)


def check(descriptor: int) -> os.stat_result:
    """Say what sealed memory of this user's it is, or what nobody may write to.

    Raises:
        RemoteProtocolError: If it is anything else.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        msg = "a frame that is passed as memory is no memory of this user's"
        raise RemoteProtocolError(msg)
    seals = _seals(descriptor)
    shut = seals & WRITE_SEAL or not status.st_mode & _WRITABLE
    if seals & SIZE_SEALS != SIZE_SEALS or not shut:
        msg = "a frame that is passed as memory is not sealed"
        raise RemoteProtocolError(msg)
    return status


def _seals(descriptor: int) -> int:
    with contextlib.suppress(OSError):  # EINVAL: a file that cannot be sealed
        return fcntl.fcntl(descriptor, GET_SEALS)
    return 0


def _read(descriptor: int, size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        at += os.preadv(descriptor, [view[at:]], at)
    return data


def read(pid: int, reference: Frame, limit_bytes: int) -> bytes:
    """Return what another process refers to as bytes of our own.

    Args, Raises: As `fetch`.
    """
    descriptor = fetch(pid, reference, limit_bytes)
    try:
        return bytes(_read(descriptor, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)
