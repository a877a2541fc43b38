"""What the ledger can be told. Facts in, instructions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from gridmap.backend import (
        Autopsy,
        Capabilities,
        Handle,
        Killed,
        NotAsked,
        Observation,
        Rejected,
        Resubmitted,
        Seen,
    )
    from gridmap.explanation import Explanation
    from gridmap.protocol.messages import FromRunner
    from gridmap.resources import Resources


class BackendReady(msgspec.Struct, frozen=True, kw_only=True):
    """The backend said what it can do; until then nothing is submitted."""

    capabilities: Capabilities


class JobsAdded(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs ``first`` to ``stop - 1`` were handed in; they come in order, gapless.

    Attributes:
        first: The first job.
        stop: One past the last.
        function: Content address of the function all of them call.
        resources: What each of them needs.
        surroundings: Which of the policy's surroundings they run in.
        more: Whether others follow at once, so that runners are asked for then.
        final: Whether these are the last.
        names: What their user calls them, one name for each; empty: nothing.
    """

    first: int
    stop: int
    function: bytes
    resources: Resources
    surroundings: int = 0
    more: bool = False
    final: bool = False
    names: tuple[str, ...] = ()

    def joins(self, later: JobsAdded) -> bool:
        """Say whether *later* can be told together with this."""
        return (
            self.function == later.function
            and self.resources == later.resources
            and self.surroundings == later.surroundings
            and bool(self.names) == bool(later.names)
            and not self.final
        )


class JobsKilled(msgspec.Struct, frozen=True, kw_only=True):
    """The user ended jobs that are not over, from another process.

    Attributes:
        first: The first.
        stop: One past the last.
        by: What he used, for people.
    """

    first: int
    stop: int
    by: str


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks at the run, or nobody does any more.

    Attributes:
        live: Whether somebody looks.
        output: Whether what jobs print is wanted too.
    """

    live: bool
    output: bool = False


class JobsCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The user takes jobs back, running ones too."""

    first: int
    stop: int


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """No more jobs will be added."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's message, in the order it was sent."""

    peer: bytes
    message: FromRunner


class Disconnected(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's connection broke. A hint: it may come back."""

    peer: bytes


class Unsent(msgspec.Struct, frozen=True, kw_only=True):
    """Work could not be sent: its runner has no connection, or does not read."""

    grant: int


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler answered a submission: for each runner a handle or a rejection."""

    answers: Mapping[int, Handle | Rejected]


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler was asked about runners, with this outcome.

    Attributes:
        asked: About whom.
        observation: The outcome.
        at: When the query began; another run of the user's may have put it.
        wait_s: Of a question that failed, or was put off: seconds after which to ask
            again; 0.0 leaves that to the ledger.
        why: Of those that wait and were asked why: what that means.
    """

    asked: frozenset[Handle]
    observation: Observation
    at: float
    wait_s: float = 0.0
    why: Mapping[Handle, Explanation] = msgspec.field(default_factory=dict)


class Autopsied(msgspec.Struct, frozen=True, kw_only=True):
    """Accounting was asked about runners that are over.

    Attributes:
        asked: About whom.
        findings: What it knows; those it does not know are absent.
        tails: The last lines of each one's log, where there is a log.
        wait_s: Seconds after which to ask again, because the question was put off; 0.0
            if it was not.
    """

    asked: frozenset[Handle]
    findings: Mapping[Handle, Autopsy]
    tails: Mapping[Handle, str]
    wait_s: float = 0.0


class KillAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request to kill."""

    results: Mapping[Handle, Killed]


class ResubmitAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request to start a runner again; None: not possible."""

    runner: int
    answer: Resubmitted | None


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler was asked for all runners of the run, with this outcome."""

    found: Mapping[Handle, Seen] | NotAsked


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """What a runner left behind that ended while the run had no driver.

    Attributes:
        nonce: Of its last life.
        message: What it could not say.
    """

    nonce: str
    message: FromRunner


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed, and everything that arrived meanwhile was told before."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The run is to end.

    Attributes:
        kill: Whether running jobs are ended too and every runner is killed and
            watched until it is gone; else runners end by themselves.
    """

    kill: bool


Fact: TypeAlias = (
    BackendReady
    | JobsAdded
    | JobsCancelled
    | JobsKilled
    | Watched
    | Sealed
    | Heard
    | Disconnected
    | Unsent
    | Submitted
    | Looked
    | Autopsied
    | KillAnswered
    | ResubmitAnswered
    | Attached
    | Parked
    | Tick
    | Closed
)


def take(inbox: deque[Fact]) -> Fact:
    """Take the oldest fact off an inbox, which has one.

    Jobs handed in one by one are one fact where nothing came between them: else each
    would be a turn of the rules and an event for every observer.
    """
    fact = inbox.popleft()
    if not isinstance(fact, JobsAdded):
        return fact
    last, names = fact, list(fact.names)
    while inbox and isinstance(later := inbox[0], JobsAdded) and last.joins(later):
        last = later
        names += later.names
        inbox.popleft()
    if last is fact:
        return fact
    return msgspec.structs.replace(last, first=fact.first, names=tuple(names))
