"""What a backend says of itself: its name, whether it can be used, what it can do."""

from __future__ import annotations

import enum
import re
from typing import Any, Final

import msgspec

from gridmap.checking import Checking

INTERFACE: Final = 1
"""Version of the hook interface. A backend states the one it was written for."""

_NAME: Final = re.compile(r"\S+")
_REFERENCE: Final = re.compile(r"[\w.]+:\w+")


class Availability(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """Whether a backend can be used on this machine, found out cheaply.

    Attributes:
        usable: Whether it can be used now.
        reason: Why not, and how to mend it; or what was found.
        preference: Which usable backend is taken when the user names none: the
            highest. A cluster says 10 or more; 0 or less is never taken unasked,
            except as the fall-back of last resort.
    """

    usable: bool
    reason: str
    preference: int = 0


class BackendInfo(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """A backend, before anything of it is imported.

    Attributes:
        name: What users write in ``backend=``.
        summary: One line for people.
        factory: ``"module:Class"``; the class takes no arguments and its instances
            carry the hook implementations. Imported on demand, in the user's
            process and on the nodes.
        availability: ``"module:function"``; called without arguments, returns an
            `Availability` within 50 ms and starts no process.
        interface: The hook interface it was written for, a number written out: what
            it has of this module is that of the gridmap it meets.
        aliases: Other names users may write.
    """

    name: str
    summary: str
    factory: str
    availability: str
    interface: int
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what a plugin should not say; take any iterable of aliases."""
        aliases: tuple[Any, ...] = tuple(self.aliases)
        msgspec.structs.force_setattr(self, "aliases", aliases)
        super().__post_init__()
        self._check("name", _NAME, "a word")
        self._check("factory", _REFERENCE, "'module:Class'")
        self._check("availability", _REFERENCE, "'module:function'")
        if strangers := [name for name in aliases if not isinstance(name, str)]:
            msg = f"aliases of backend {self.name}: {strangers[0]!r:.200} is no text"
            raise TypeError(msg)

    def _check(self, name: str, pattern: re.Pattern[str], expected: str) -> None:
        value = getattr(self, name)
        if pattern.fullmatch(value) is None:
            msg = f"{name}={value!r} of a backend must be {expected}"
            raise ValueError(msg)


class Reach(enum.Enum):
    """Where runners are, seen from the user's process."""

    HOST = "host"
    """On this machine only: a socket in the file system serves."""
    NETWORK = "network"
    """On other machines: addresses a node can reach are needed."""


class Capabilities(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """What a backend's scheduler can do here.

    Attributes:
        reach: Where its runners are.
        largest_array: Runners one submission may hold; None: no limit. Core never
            hands over a larger batch.
        largest_fleet: Runners of one core each that one run should have at most unless
            the user says otherwise; one of several cores counts as so many. None: one a
            job.
        requeue: Whether `gridmap_resubmit` can start a runner again in place.
        accounting: Whether `gridmap_postmortem` can know more than observation.
    """

    reach: Reach = Reach.NETWORK
    largest_array: int | None = None
    largest_fleet: int | None = None
    requeue: bool = False
    accounting: bool = False
