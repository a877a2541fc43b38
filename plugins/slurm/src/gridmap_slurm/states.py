"""Slurm's words for the state of a job, and what they mean. Pure.

Sources: squeue(1), section "JOB STATE CODES", of 22.05.8 and 24.05; why jobs wait is in
`reasons`; the states of single deaths as seen on a real 22.05.8 are in `endings`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gridmap.backend import SeenState
from gridmap_slurm import reasons

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
        why = reasons.find(reason)
        return found if why is None else why.state
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
    found = reasons.find(reason)
    return found is not None and found.state is SeenState.BLOCKED
