"""Whether a job that ended badly is run again, and with what.

Retry is by cause. What the infrastructure did is tried again, up to a number;
what the job did itself is not, and what a person ended stays ended.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from gridmap.resources import Resources
from gridmap.verdict import INFRASTRUCTURE, Cause, Verdict

GUILTY_NODE = frozenset(
    {Cause.NODE_LOST, Cause.NEVER_STARTED, Cause.ENVIRONMENT_BROKEN, Cause.LOST}
)
"""Causes that make the node suspect: the next attempt goes elsewhere if it can."""


@attrs.frozen(kw_only=True)
class Again:
    """Run the job again.

    Attributes:
        resources: With what; None: with the same as before.
        delay_s: Seconds to wait first.
        avoid: Nodes not to be used.
    """

    resources: Resources | None = None
    delay_s: float = 0.0
    avoid: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class GiveUp:
    """Let the verdict stand."""


Decision: TypeAlias = "Again | GiveUp"


def decide(failure: Verdict, history: tuple[Verdict, ...], resubmits: int) -> Decision:
    """Return core's own decision; the hook ``gridmap_retry`` can overrule it.

    Args:
        failure: Why this attempt ended.
        history: The verdicts of the attempts before it, oldest first.
        resubmits: How often a job may be run again (``NUM_RESUBMITS``).

    Returns:
        `Again` for infrastructure causes while there are attempts left.
    """
    if failure.cause not in INFRASTRUCTURE or len(history) >= resubmits:
        return GiveUp()
    verdicts = (*history, failure)
    nodes = {v.node for v in verdicts if v.node and v.cause in GUILTY_NODE}
    return Again(avoid=frozenset(nodes))
