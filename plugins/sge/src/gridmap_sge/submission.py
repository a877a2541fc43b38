"""What the two ways of submitting have in common: over DRMAA, and with qsub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

    from gridmap.backend import Handle
    from gridmap_sge.array import Array

NO_QUEUE: Final = "no suitable queues"
"""What validation says when it finds no queue that could ever take the job."""

_LATER: Final = re.compile(
    r"jobs? (?:are|is) allowed|max_u_jobs|max_jobs|job limit|"
    r"try again|try later|temporar|timeout|timed out|"
    r"unable to (?:contact|connect|send|receive)|can't connect|cannot connect|"
    r"communication|commlib|not (?:yet )?(?:started|ready|reachable)|got no",
    re.IGNORECASE,
)


class SubmitError(Exception):
    """The scheduler did not take an array.

    Attributes:
        text: The scheduler's own words, or what went wrong.
        transient: Whether asking again later may help.
        uncertain: Whether it may have taken the array all the same.
        broken: Whether this way of submitting does not work on this machine at all.
    """

    def __init__(
        self,
        text: str,
        *,
        transient: bool,
        uncertain: bool = False,
        broken: bool = False,
    ) -> None:
        self.text = text
        self.transient = transient
        self.uncertain = uncertain
        self.broken = broken
        super().__init__(text)


@attrs.frozen(kw_only=True)
class Ended:
    """How a task ended, as DRMAA heard.

    Attributes:
        ran: Whether it ever ran.
        aborted: Whether the scheduler ended it: asked to, or because it could not
            start.
        exit_status: Its exit status; None if a signal ended it.
        signal: Name of the signal that ended it, empty if none did.
        usage: Resource usage, as texts.
    """

    ran: bool
    aborted: bool = False
    exit_status: int | None = None
    signal: str = ""
    usage: Mapping[str, str] = attrs.field(factory=dict)

    def number(self, name: str) -> float | None:
        """Return one figure of the usage, None if it is not there."""
        try:
            return float(self.usage[name])
        except (KeyError, ValueError):
            return None


class Submitter(Protocol):
    """A way of submitting. Called from one thread."""

    def prepare(self) -> None:
        """Start what takes a moment; the first submission is near."""

    def submit(self, array: Array) -> tuple[Handle, ...]:
        """Submit; return the tasks' handles in the order of their numbers.

        Raises:
            SubmitError: If the scheduler did not take it, or may not have.
        """

    def reap(self, handles: Collection[Handle]) -> Mapping[Handle, Ended]:
        """Return what it knows by itself of how those that are over ended."""

    def close(self) -> None:
        """Let go of everything; jobs go on."""


def is_transient(text: str) -> bool:
    """Return whether a refusal in these words may pass by itself."""
    return _LATER.search(text) is not None
