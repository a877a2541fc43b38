"""Why runners wait, in plain words. Pure.

The scheduler's remarks (``qstat -j``, "scheduling info") name every queue instance; on
a large cluster that is a page. They are counted by kind. What they say of a busy
cluster hides that a request can never be met; validation (``qalter -w v``) finds that
out, on the assumption of an empty cluster. Validation does not know resources that only
come from load values: where it speaks of an unknown resource it proves nothing, and neither where it says that
a parallel environment has no slots, which may have the same reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

UNPROVEN: Final = "job requests unknown resource"
NO_SLOTS: Final = "cannot run in PE"
"""What validation says when a parallel environment has no slots, whatever the reason."""
MOST: Final = 4
"""Kinds of remarks in one reason."""

_NEVER: Final = "verification: no suitable queues"
_PREFIX: Final = re.compile(r"^(?:Unable to run job: )?(?:Job \d+ )?")
_PLACE: Final = re.compile(r'(?:queue instance|queue|host) "([^"]*)"')
_WORDS: Final = (
    ("dropped because it is full", "all slots are taken"),
    ("dropped because it is disabled", "disabled"),
    ("dropped because it is temporarily not available", "cannot be reached"),
    ("dropped because it is overloaded", "overloaded"),
    ("dropped because it is suspended", "suspended"),
)


def explain(remarks: Iterable[str]) -> str:
    """Return remarks as a short text: each kind once, with how many places it is of."""
    kinds: dict[str, set[str]] = {}
    for remark in remarks:
        text = _PREFIX.sub("", remark.strip())
        if not text or text.startswith(
            ("verification:", "Exiting", "All queues dropped")
        ):
            continue
        places = _PLACE.findall(text)
        kind = next((words for mark, words in _WORDS if mark in text), "")
        kind = f"at % {kind}" if kind else _PLACE.sub("%", text)
        kinds.setdefault(kind, set()).update(places)
    # What is said of the job itself says more than what is said of places.
    ordered = sorted(kinds.items(), key=lambda item: bool(item[1]))
    texts = [kind.replace("%", _places(found)) for kind, found in ordered]
    if len(texts) > MOST:
        texts = [*texts[:MOST], f"and {len(texts) - MOST} more reasons"]
    return "; ".join(texts)


def never(verification: str) -> bool:
    """Return whether validation proves that a request can never be met."""
    unproven = UNPROVEN in verification or NO_SLOTS in verification
    return _NEVER in verification and not unproven


def _places(found: set[str]) -> str:
    names = sorted(found)
    if len(names) > 3:  # noqa: PLR2004 - what a line holds
        return f"{len(names)} places ({', '.join(names[:2])}, …)"
    return ", ".join(names)
