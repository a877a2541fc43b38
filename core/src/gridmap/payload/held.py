"""Large frames that this process holds in sealed memory, to be passed on uncopied.

What has the same bytes is held once, whoever hands it in: an array that stands in many
inputs is compared with what is held, at a seventh of the time that another copy takes.
Neither an object's identity nor its promise not to change is relied on, so a generator
may change an array and yield it again.

Memory of others' that is passed on is held once, too. Whoever is to use what is held
gets memory of its own, see `memory.own`.

Safe to call from any thread.
"""

from __future__ import annotations

import itertools
import mmap
import os
import weakref
from typing import TYPE_CHECKING, Final

from gridmap.payload import likeness, memory

if TYPE_CHECKING:
    from gridmap.payload.pickling import Frame

MOST_HELD: Final = 64
"""Frames held at a time, each with three descriptors. The bound is their own: whoever
keeps many results can still hand in large inputs, and the reverse."""

MOST_HELD_BYTES: Final = 1 << 31
"""Bytes in copies that were made to be held: the user may have the same once more."""


class _Held(mmap.mmap):
    """To be passed on, read-only.

    Attributes:
        sealed: What it shows.
    """

    sealed: memory.Sealed


_copied: dict[int, int] = {}  # bytes of each; what is done to it is done in one step
_serial = itertools.count()
_alike: weakref.WeakValueDictionary[bytes, _Held] = weakref.WeakValueDictionary()
_shown: weakref.WeakValueDictionary[tuple[int, int], _Held] = (
    weakref.WeakValueDictionary()
)


def sealed_in(frame: Frame) -> memory.Sealed | None:
    """Return the memory that a frame shows, all of it; None if it is no such frame."""
    if not isinstance(frame, memoryview):
        return None
    owner = frame.obj
    if isinstance(owner, _Held) and frame.nbytes == owner.sealed.size:
        return owner.sealed
    return None


def seal(frame: Frame) -> memory.Sealed | None:
    """Copy a frame into memory of its own, unless it is there already.

    Args:
        frame: It may be changed afterwards.

    Returns:
        The memory; None if the frame is too short to be worth it or the system
        has none to give (descriptors, a limit on file sizes, memory).
    """
    if len(frame) < memory.LEAST_BYTES:
        return None
    try:
        return sealed_in(frame) or memory.make(frame)
    except OSError:
        return None


def hold(frame: Frame, *, lasting: bool = False) -> Frame:
    """Return a frame with the same bytes that can be passed on without a copy.

    Args:
        frame: It may be changed afterwards, unless it is what is returned.
        lasting: Whether it will be kept for long. All of these have half the room, so
            that they do not take it from those that come and go.

    Returns:
        Read-only memory that stays while the frame or a part of it is used; the frame
        itself if it is that already, is too short, or there is no room.
    """
    size = len(frame)
    if size < memory.LEAST_BYTES or sealed_in(frame) is not None:
        return frame
    sketch = likeness.sketch([frame])
    known = _alike.get(sketch)
    if known is not None and likeness.same([frame], [memoryview(known)]):
        return memoryview(known)
    if not _has_room(size, 2 if lasting else 1):
        return frame
    sealed = seal(frame)
    try:
        if sealed is None:
            return frame
        _alike[sketch] = held = _show(sealed, size)
    except OSError:
        return frame
    return memoryview(held)


def relay(descriptor: int) -> memoryview:
    """Return what another process has sealed, to be passed on.

    Args:
        descriptor: Of that memory; it is closed, if only when the frame is gone.

    Returns:
        Read-only memory, as `hold` returns; writable, and the caller's own, if there
        is no room for that.

    Raises:
        RemoteProtocolError: As `memory.take`.
    """
    try:
        status = memory.check(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    file = (status.st_dev, status.st_ino)
    known = _shown.get(file)
    if known is not None:
        os.close(descriptor)
        return memoryview(known)
    if status.st_size == 0 or len(_copied) >= MOST_HELD:
        return memory.take(descriptor)
    sealed = memory.Sealed(descriptor, status.st_size)
    try:
        _shown[file] = held = _show(sealed, 0)
    except OSError:  # no descriptor to be had
        return memory.own(sealed)
    return memoryview(held)


def _has_room(size: int, part: int) -> bool:
    sizes = list(_copied.values())
    free = len(sizes) < MOST_HELD // part
    return free and sum(sizes) + size <= MOST_HELD_BYTES // part


def _show(sealed: memory.Sealed, copied: int) -> _Held:
    held = _Held(sealed.descriptor, sealed.size, mmap.MAP_SHARED, mmap.PROT_READ)
    held.sealed = sealed
    number = next(_serial)
    _copied[number] = copied
    weakref.finalize(held, _copied.pop, number).atexit = False
    return held
