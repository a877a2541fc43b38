"""What the ledger can ask for. The service carries it out, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import Handle
    from gridmap.events import AnyEvent
    from gridmap.journal.entries import Entry
    from gridmap.protocol.messages import Failure, FromMonitor, Work
    from gridmap.resources import Resources
    from gridmap.verdict import Cause, Verdict


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send a control message to a runner.

    Attributes:
        peer: To whom.
        message: What to say.
        patient: Whether it may wait for a moment, and go together with more of its kind,
            as acknowledgements of reports may.
    """

    peer: bytes
    message: FromMonitor
    patient: bool = False


class SendWork(msgspec.Struct, frozen=True, kw_only=True):
    """Send jobs with their inputs, and before them their function if it is new."""

    peer: bytes
    work: Work


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's session is over; nothing more is sent to this peer."""

    peer: bytes


class SubmitRunners(msgspec.Struct, frozen=True, kw_only=True):
    """Start runners, as few submissions as the backend allows."""

    runners: tuple[int, ...]
    resources: Resources
    avoid: frozenset[str]


class KillRunners(msgspec.Struct, frozen=True, kw_only=True):
    """End runners through the scheduler."""

    handles: frozenset[Handle]


class Look(msgspec.Struct, frozen=True, kw_only=True):
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
    requests: Mapping[Handle, Resources] = msgspec.field(default_factory=dict)


class HoldAutopsy(msgspec.Struct, frozen=True, kw_only=True):
    """Ask accounting about runners that are over, and read their logs.

    Attributes:
        handles: About whom.
        lives: How often each was started under its handle, as far as is known.
    """

    handles: frozenset[Handle]
    lives: Mapping[Handle, int]


class ResubmitRunner(msgspec.Struct, frozen=True, kw_only=True):
    """Start a runner again in place, if the scheduler can."""

    runner: int
    handle: Handle
    cause: Cause
    attempt: int


class Deliver(msgspec.Struct, frozen=True, kw_only=True):
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


class KeepContent(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint just heard is what a job can go on with: keep its payload."""

    job: int
    digest: bytes


class DropContent(msgspec.Struct, frozen=True, kw_only=True):
    """No job needs this checkpoint any more."""

    digest: bytes


class DeliverVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A job is final and has no payload: its verdict is all there is."""

    job: int
    verdict: Verdict


class Attach(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the scheduler for all runners of the run that there are."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Write down what has changed, before any later instruction is carried out."""

    entry: Entry


class Publish(msgspec.Struct, frozen=True, kw_only=True):
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
