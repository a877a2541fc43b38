"""What becomes of a job that ended badly: it is run again, or its verdict stands.

`Again` and `GiveUp` are what a rule or a hook decides; `decide` is core's own rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gridmap.checking import Checking
from gridmap.resources import Resources  # noqa: TC001 - a field's, which is checked
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

GUILTY_NODE = frozenset(
    {Cause.NODE_LOST, Cause.NEVER_STARTED, Cause.ENVIRONMENT_BROKEN, Cause.LOST}
)
"""Causes that make the node suspect: the next attempt goes elsewhere if it can."""


class Again(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """Run the job again.

    Attributes:
        resources: With what; None: with the same as before.
        delay_s: Seconds to wait first.
        avoid: Nodes not to be used, besides those that look guilty.
    """

    resources: Resources | None = None
    delay_s: float = 0.0
    avoid: frozenset[str] = frozenset()


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Let the verdict stand."""


Decision: TypeAlias = "Again | GiveUp"


def guilty(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """Return the nodes on which attempts ended in a way that the node may be behind."""
    return frozenset(v.node for v in verdicts if v.node and v.cause in GUILTY_NODE)


def decide(failure: Verdict, history: tuple[Verdict, ...], resubmits: int) -> Decision:
    """Return core's own decision, where neither hook nor user has one.

    Args:
        failure: Why this attempt ended.
        history: The verdicts of the attempts before it, oldest first.
        resubmits: How often a job may be run again (``NUM_RESUBMITS``).

    Returns:
        `Again` while there are attempts left, for infrastructure causes, and for a time
        limit after a checkpoint or of a job that was begun late. Attempts that ended otherwise, and were forgiven, do
        not count; nor does one that gave way, for the job goes on where it was.
    """
    if gave_way(failure):
        return Again()
    if not _counts(failure):
        return GiveUp()
    return GiveUp() if sum(map(_counts, history)) >= resubmits else Again()


def _counts(verdict: Verdict) -> bool:
    resumes = verdict.checkpointed or verdict.late
    goes_on = resumes and verdict.cause is Cause.TIME_LIMIT
    return goes_on or (verdict.cause in INFRASTRUCTURE and not gave_way(verdict))


def gave_way(verdict: Verdict) -> bool:
    """Whether an attempt ended by preemption, and left a checkpoint."""
    return verdict.checkpointed and verdict.cause is Cause.PREEMPTED
