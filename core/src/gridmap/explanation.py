"""Why a runner does not start, as a value. Backends make it, see `gridmap_explain`."""

from __future__ import annotations

import msgspec

from gridmap.checking import Checking


class Explanation(Checking, msgspec.Struct, frozen=True, kw_only=True):
    """Why a runner does not start, for people.

    Attributes:
        reason: The scheduler's own words, so that they can be looked up.
        meaning: What they mean, in plain words; empty if nobody knows.
        advice: What to change, or that waiting is all there is to do; empty if nobody
            knows.

    Example:
        >>> print(Explanation(reason="Resources", meaning="it waits for free nodes"))
        it waits for free nodes (Resources)
        >>> print(Explanation(reason="odd", advice="ask the administrator"))
        odd: ask the administrator
    """

    reason: str
    meaning: str = ""
    advice: str = ""

    def __str__(self) -> str:
        """Return all of it as one line: ``meaning (reason): advice``."""
        told = self.meaning or self.reason
        if self.meaning and self.reason:
            told = f"{self.meaning} ({self.reason})"
        return ": ".join(text for text in (told, self.advice) if text)
