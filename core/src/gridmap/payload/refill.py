"""Memory that is filled again once nobody has it any more.

Most of what a copy of large data costs is the kernel's, which has to find a page for
every 4 KiB, and to clear it. Memory that has its pages already is filled in a third of
the time, and in a sixth where they are mapped. So whoever makes large frames, one after
the other, keeps it: `room` is for what other processes are to have, `private` for what
none is to have.

A driver has its rooms mapped; a runner and a worker have not, whose mappings count as
their job's memory.

What is kept is bounded, and given back when it is not used for `KEPT_S`: whoever called
`begin` has to call `tidy` now and then, or `give_back` when at rest. A worker can do
neither during a job, so one that returned large data keeps its memory until that is
over. Safe to call from any thread.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections import deque
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from gridmap import cgroup
from gridmap.payload.private import Private
from gridmap.payload.room import Room, is_known

MOST_BYTES: Final = 1 << 28
"""What a process keeps of either kind at most, free or not. Two arrays of 100 MB fit in:
a result is often held until the next one is there."""

_SHARE: Final = 32
"""What part of the memory there is it keeps at most."""

MOST_KEPT: Final = 8
"""How many. A room is a descriptor, and each has to be tried while others have it."""

KEPT_S: Final = 10.0
"""How long it is kept for somebody to come."""


class _Kind(Protocol):
    """Memory that can be asked whether it is free to be filled."""

    size: int
    since: float | None

    def free(self) -> bool: ...


_Memory = TypeVar("_Memory", bound=_Kind)


class _Store(Generic[_Memory]):
    """What is kept of one kind."""

    def __init__(self) -> None:
        self._kept: deque[_Memory] = deque()

    def __bool__(self) -> bool:
        return bool(self._kept)

    def find(self, size: int) -> _Memory | None:
        """Take out memory of that size that nobody has any more; None if there is none."""
        for one in list(self._kept):
            if one.size != size:
                continue
            with contextlib.suppress(ValueError):  # another thread was faster
                self._kept.remove(one)  # nobody else may ask meanwhile
                if one.free():
                    return one
                self._put(one)
        return None

    def keep(self, one: _Memory) -> None:
        """Put memory in that somebody came for."""
        one.since = None
        self._put(one)

    def _put(self, one: _Memory) -> None:
        """Put it in, and leave out what was put in first if that is too much.

        Which all is where none is to be kept any more.
        """
        self._kept.append(one)
        most = _most_bytes()
        with contextlib.suppress(IndexError):  # another thread was faster
            while self._bytes() > most or len(self._kept) > MOST_KEPT:
                self._kept.popleft()

    def tidy(self, now: float) -> None:
        for one in list(self._kept):
            if one.since is None:
                one.since = now
            elif now - one.since >= KEPT_S:
                with contextlib.suppress(ValueError):  # somebody came for it
                    self._kept.remove(one)

    def clear(self) -> None:
        self._kept.clear()

    def _bytes(self) -> int:
        return sum(one.size for one in list(self._kept))


class _Use(NamedTuple):
    mapped: bool
    most_bytes: int


_rooms: _Store[Room] = _Store()
_privates: _Store[Private] = _Store()

_users: dict[int, _Use] = {}
"""Who has memory kept. What is done to this is done in one step."""


def begin(user: object, *, mapped: bool = False, most_bytes: int = MOST_BYTES) -> None:
    """Keep memory from now on. Idempotent.

    Args:
        user: For whom, until the same calls `end`.
        mapped: Whether rooms may count as memory that this process uses.
        most_bytes: How much of either kind may be kept; of several users' bounds the
            least holds.
    """
    _users[id(user)] = _Use(mapped, most_bytes)


def end(user: object) -> None:
    """Give all of it back, unless others still use it. Idempotent.

    Args:
        user: As for `begin`.
    """
    _users.pop(id(user), None)
    if not _users:
        give_back()


def share(cores: int | None = None) -> int:
    """Return how many bytes a process may keep of either kind.

    Args:
        cores: How many cores its work has; None: all that this process may run on.
    """
    return min(MOST_BYTES, cgroup.memory(cores) // _SHARE)


def room(size: int) -> Room | None:
    """Return memory for what others are to have, to be given to `keep` when filled.

    Args:
        size: In bytes.

    Returns:
        It; None if none is to be kept, or cannot be here: the system has none to give,
        or no ``/proc``, as after chroot(2).
    """
    if not _worth(size):
        return None
    with contextlib.suppress(OSError):
        if is_known():
            return _rooms.find(size) or Room(size, mapped=_may_map())
    return None


def keep(one: Room) -> None:
    """Take back what was filled; nobody here needs to have it still. Never waits."""
    _rooms.keep(one)


def private(size: int) -> memoryview:
    """Return memory for use that is passed on to nobody, with whatever is in it.

    Args:
        size: In bytes, 1 or more.

    Raises:
        OSError: If the system has none to give.
    """
    one = _privates.find(size) or _fresh(size)
    view = one.view()  # from here on it is not free
    if _worth(size) and _addresses_abound():
        _privates.keep(one)
    return view


def _fresh(size: int) -> Private:
    try:
        return Private(size)
    except OSError:
        give_back()  # it may be that which is lacking
        return Private(size)


def tidy(now: float) -> None:
    """Give back what nobody came for.

    Args:
        now: The time on the monotonic clock.
    """
    _rooms.tidy(now)
    _privates.tidy(now)


def kept() -> bool:
    """Say whether there is anything to give back."""
    return bool(_rooms or _privates)


def give_back() -> None:
    """Give back all that is kept."""
    _rooms.clear()
    _privates.clear()


def _worth(size: int) -> bool:
    """Say whether memory of that size is to be kept."""
    return bool(_users) and size <= _most_bytes() // 2


def _most_bytes() -> int:
    return min((use.most_bytes for use in list(_users.values())), default=0)


def _may_map() -> bool:
    """Say whether it takes nothing from others if rooms are mapped."""
    return all(use.mapped for use in list(_users.values())) and _addresses_abound()


def _addresses_abound() -> bool:
    """Say whether what is mapped here takes no addresses that the user may need."""
    addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
    return addresses == resource.RLIM_INFINITY


def _forget() -> None:
    """In a forked child: this is its parent's, who alone knows who has it."""
    _users.clear()
    give_back()


os.register_at_fork(after_in_child=_forget)
