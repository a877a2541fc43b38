"""Slurm's words for the state of a job and why it waits, and what they mean. Pure.

Sources: squeue(1), sections "JOB STATE CODES" and "JOB REASON CODES", of 22.05.8 and
24.05; the states of single deaths as seen on a real 22.05.8 are in `endings`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gridmap.backend import SeenState

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES: Final[Mapping[str, SeenState]] = MappingProxyType(
    {
        "PENDING": SeenState.QUEUED,
        "CONFIGURING": SeenState.QUEUED,
        "POWER_UP_NODE": SeenState.QUEUED,
        # On its way back to PENDING, under the same id.
        "REQUEUED": SeenState.QUEUED,
        "REQUEUE_FED": SeenState.QUEUED,
        "REQUEUE_HOLD": SeenState.HELD,
        "RESV_DEL_HOLD": SeenState.HELD,
        "SPECIAL_EXIT": SeenState.HELD,
        "RUNNING": SeenState.RUNNING,
        "RESIZING": SeenState.RUNNING,
        "SIGNALING": SeenState.RUNNING,
        "SUSPENDED": SeenState.SUSPENDED,
        "STOPPED": SeenState.SUSPENDED,
        "COMPLETING": SeenState.ENDING,
        "STAGE_OUT": SeenState.ENDING,
        "BOOT_FAIL": SeenState.ENDED,
        "CANCELLED": SeenState.ENDED,
        "COMPLETED": SeenState.ENDED,
        "DEADLINE": SeenState.ENDED,
        "FAILED": SeenState.ENDED,
        "LAUNCH_FAILED": SeenState.ENDED,
        "NODE_FAIL": SeenState.ENDED,
        "OUT_OF_MEMORY": SeenState.ENDED,
        "PREEMPTED": SeenState.ENDED,
        "REVOKED": SeenState.ENDED,
        "TIMEOUT": SeenState.ENDED,
    }
)

_HELD: Final = (
    "JobHeldAdmin",
    "JobHeldUser",
    "JobHoldMaxRequeue",
    "JobRequeuedInHeldState",
    "job requeued in held state",
    "launch failed requeued held",
    "user env retrieval failed requeued held",
)

_NEVER: Final[Mapping[str, str]] = MappingProxyType(
    # Reasons that no waiting cures: only a person who changes the job or the site can.
    {
        "AccountNotAllowed": "the account may not use this partition",
        "BadConstraints": "no node has what was asked for",
        "DependencyNeverSatisfied": "what it depends on can never happen",
        "InvalidAccount": "there is no such account",
        "InvalidQOS": "there is no such QOS",
        "PartitionConfig": "the partition cannot grant what was asked for",
        "PartitionNodeLimit": "more nodes were asked for than the partition grants",
        "PartitionTimeLimit": "more time was asked for than the partition grants",
        "QOSNotAllowed": "the QOS may not be used here",
        "ReservationDeleted": "its reservation was deleted",
        "QOSTimeLimit": "more time was asked for than the QOS grants",
        "AssociationTimeLimit": "more time was asked for than the account grants",
    }
)
_NEVER_PER_JOB: Final = re.compile(
    r"(Assoc|QOS|Association)Max\w*PerJob(Limit)?|\w*MaxWallDuration\w*|MaxMemPerLimit"
)

_WAITING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BeginTime": "it may not start before a set time",
        "Cleaning": "its last run is being cleaned up",
        "Dependency": "it waits for another job",
        "InactiveLimit": "the system reached its limit of inactive jobs",
        "JobArrayTaskLimit": "as many runners run at once as were allowed to",
        "Licenses": "it waits for a licence",
        "NodeDown": "a node it needs is down",
        "PartitionDown": "the partition is down",
        "PartitionInactive": "the partition is inactive",
        "Priority": "others come first",
        "Prolog": "the node is being prepared",
        "ReqNodeNotAvail": "a node it may use is not available",
        "Reservation": "it waits for its reservation",
        "Resources": "it waits for nodes to become free",
        "SchedDefer": "the scheduler was told to wait before it looks at it",
    }
)
_SHARED_LIMIT: Final = re.compile(r"(Assoc|QOS|Max|Association)\w*")

_NOTHING: Final = frozenset({"", "None", "(null)", "N/A"})


def state(word: str, reason: str = "") -> SeenState:
    """Return what a job's state means.

    Args:
        word: The state. sacct cuts it off to ``OUT_OF_ME+`` and adds a name, as in
            ``CANCELLED by 1000``: both are understood.
        reason: Why it waits, for a job that does.

    Returns:
        The state; `SeenState.UNKNOWN` for a word that is not in the table.
    """
    found = STATES.get(canonical(word), SeenState.UNKNOWN)
    if found is SeenState.QUEUED:
        if reason.startswith(_HELD):
            return SeenState.HELD
        if never(reason):
            return SeenState.BLOCKED
    return found


def canonical(word: str) -> str:
    """Return a state's full name; the word itself if it is none."""
    first, *_ = word.split() or [""]
    if not first.endswith("+"):
        return first
    matching = [name for name in STATES if name.startswith(first[:-1])]
    return matching[0] if len(matching) == 1 else first


def never(reason: str) -> bool:
    """Return whether a job that waits for *reason* can never run as it stands."""
    name = _name(reason)
    return name in _NEVER or _NEVER_PER_JOB.fullmatch(name) is not None


def explain(reason: str) -> str:
    """Return a reason in plain words with Slurm's own, empty if there is none."""
    if reason in _NOTHING:
        return ""
    name = _name(reason)
    plain = _NEVER.get(name) or _WAITING.get(name)
    if plain is None and reason.startswith(_HELD):
        plain = "it is on hold"
    if plain is None and _NEVER_PER_JOB.fullmatch(name):
        plain = "one job may not have that much"
    if plain is None and _SHARED_LIMIT.fullmatch(name):
        plain = "a limit shared with other jobs is reached"
    return f"{plain} ({reason})" if plain else reason


def _name(reason: str) -> str:
    """Return the reason's name alone: ``ReqNodeNotAvail, UnavailableNodes:n1`` has one."""
    return re.split(r"[,:( ]", reason, maxsplit=1)[0]
