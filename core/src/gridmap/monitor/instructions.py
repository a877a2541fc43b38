"""What the ledger can ask for. The service carries it out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from gridmap.backend import Handle
from gridmap.events import AnyEvent
from gridmap.journal.entries import Entry
from gridmap.protocol.messages import Failure, FromMonitor, Work
from gridmap.resources import Resources
from gridmap.verdict import Cause, Verdict


@attrs.frozen(kw_only=True)
class Send:
    """Send a control message to a runner."""

    peer: bytes
    message: FromMonitor


@attrs.frozen(kw_only=True)
class SendWork:
    """Send jobs with their inputs, and before them their function if it is new."""

    peer: bytes
    work: Work


@attrs.frozen(kw_only=True)
class Forget:
    """A runner's session is over; nothing more is sent to this peer."""

    peer: bytes


@attrs.frozen(kw_only=True)
class SubmitRunners:
    """Start runners, as few submissions as the backend allows."""

    runners: tuple[int, ...]
    resources: Resources
    avoid: frozenset[str]


@attrs.frozen(kw_only=True)
class KillRunners:
    """End runners through the scheduler."""

    handles: frozenset[Handle]


@attrs.frozen(kw_only=True)
class Look:
    """Ask the scheduler what it shows of these runners.

    Attributes:
        handles: Which.
        since: An answer to a query that began by then is no news.
        kill_check: Whether some of them are being killed, so that it cannot wait.
        requests: What each of them asked for, so that it can be explained why it waits.
    """

    handles: frozenset[Handle]
    since: float
    kill_check: bool = False
    requests: Mapping[Handle, Resources] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class HoldAutopsy:
    """Ask accounting about runners that are over, and read their logs.

    Attributes:
        handles: About whom.
        lives: How often each was started under its handle, as far as is known.
    """

    handles: frozenset[Handle]
    lives: Mapping[Handle, int]


@attrs.frozen(kw_only=True)
class ResubmitRunner:
    """Start a runner again in place, if the scheduler can."""

    runner: int
    handle: Handle
    cause: Cause
    attempt: int


@attrs.frozen(kw_only=True)
class Deliver:
    """Jobs of the report just heard are final: hand their payloads over.

    Attributes:
        first: The first job.
        stop: One past the last.
        offset: Place of the first job's payload in the report.
        failures: Those among them that hold an exception, with offsets that count
            from ``first``.
        verdict: What the ledger found of the one job that failed; None if all
            returned. Jobs that fail are delivered one by one.
    """

    first: int
    stop: int
    offset: int
    failures: tuple[Failure, ...] = ()
    verdict: Verdict | None = None


@attrs.frozen(kw_only=True)
class KeepContent:
    """The checkpoint just heard is what a job can go on with: keep its payload."""

    job: int
    digest: bytes


@attrs.frozen(kw_only=True)
class DropContent:
    """No job needs this checkpoint any more."""

    digest: bytes


@attrs.frozen(kw_only=True)
class DeliverVerdict:
    """A job is final and has no payload: its verdict is all there is."""

    job: int
    verdict: Verdict


@attrs.frozen(kw_only=True)
class Attach:
    """Ask the scheduler for all runners of the run that there are."""


@attrs.frozen(kw_only=True)
class Note:
    """Write down what has changed, before any later instruction is carried out."""

    entry: Entry


@attrs.frozen(kw_only=True)
class Publish:
    """Tell the observers."""

    event: AnyEvent


Instruction: TypeAlias = (
    Send
    | SendWork
    | Forget
    | SubmitRunners
    | KillRunners
    | Look
    | HoldAutopsy
    | ResubmitRunner
    | Attach
    | Note
    | Deliver
    | KeepContent
    | DropContent
    | DeliverVerdict
    | Publish
)
