"""What the monitor says."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from gridmap.protocol.messages.fields import (
    Count,
    Message,
    Path,
    Seconds,
    Short,
    Text,
    Word,
)
from gridmap.protocol.messages.from_either import Credit, Piece


class Welcome(Message, frozen=True, tag="welcome"):
    """The runner is let in; what it needs to be like the user's process.

    Attributes:
        version: The monitor's protocol version.
        interval: Seconds between heartbeats.
        orphan: Seconds without the monitor after which a runner ends itself.
        environment: Variables to set, and (None) to unset.
        directory: Working directory of the functions; kept if it cannot be entered.
        path: Entries for ``sys.path``, after JOB_PATH.
        compression: How results are to be compressed.
        grace: Seconds a checkpoint may take, at most.
        memory: Whether each side can open the other's memory, so that large frames
            are only referred to.
        upload: What keys of large frames that the runner brings apart are made of;
            empty: it is to bring none.
        bringing: Number of the first of the frames that it is bringing in pieces, as
            far as the monitor knows; 0: of none.
    """

    version: Count
    interval: Seconds
    orphan: Seconds
    environment: dict[str, str | None] = msgspec.field(default_factory=dict)
    directory: Path = ""
    path: tuple[Path, ...] = ()
    compression: Word = "auto"
    grace: Seconds = 60.0
    memory: bool = False
    upload: Short = b""
    bringing: Count = 0


class Refuse(Message, frozen=True, tag="refuse"):
    """The runner is not let in, or is thrown out; it ends at once."""

    text: Text


class Content(Message, frozen=True, tag="content"):
    """A function, or whatever else several jobs share; its payload follows.

    Attributes:
        digest: Its content address.
        once: Whether it is for the work that follows at once, and for no other.
    """

    digest: bytes
    once: bool = False


class Discard(Message, frozen=True, tag="discard"):
    """A function that no job needs any more; it is sent again if one does."""

    digest: bytes


class Work(Message, frozen=True, tag="work"):
    """Jobs to run; their inputs follow, packed, in order.

    Attributes:
        grant: The grant. Hearing of one twice changes nothing.
        first: The first job.
        count: How many, without a gap.
        attempt: Which attempt this is, from 1.
        function: Content address of their function, sent before.
    """

    grant: Count
    first: Count
    count: Annotated[int, Meta(ge=1, le=2**20)]
    attempt: Annotated[int, Meta(ge=1)]
    function: bytes


class Ack(Message, frozen=True, tag="ack"):
    """These numbered messages arrived and count; the runner can forget them."""

    numbers: tuple[Count, ...]


class Echo(Message, frozen=True, tag="echo"):
    """A heartbeat arrived: the monitor lives."""

    number: Count


class Recall(Message, frozen=True, tag="recall"):
    """Hand back what is not started of this grant."""

    grant: Count


class Cancel(Message, frozen=True, tag="cancel"):
    """Jobs of a grant are no longer wanted; one that runs is ended."""

    grant: Count
    first: Count
    count: Annotated[int, Meta(ge=1)]


class Examine(Message, frozen=True, tag="examine"):
    """Say where this job is, if it is the one being run. The answer is `Stack`."""

    job: Count


class Watch(Message, frozen=True, tag="watch"):
    """Somebody looks, or looks no more: say `Live` when there is something new.

    Attributes:
        period: Seconds between two of them, at least; 0: nobody looks.
        output: Whether what jobs print is wanted too.
    """

    period: Seconds
    output: bool = False


class Plain(Message, frozen=True, tag="plain"):
    """Memory that was referred to could not be opened: refer to none any more.

    The runner says hello again, and all that is not acknowledged, in full.
    """


class Stop(Message, frozen=True, tag="stop"):
    """There is no more work; the runner ends.

    Attributes:
        now: Whether a job that runs is ended too.
    """

    now: bool = False


FromMonitor: TypeAlias = (
    Welcome
    | Refuse
    | Content
    | Piece
    | Credit
    | Discard
    | Work
    | Ack
    | Echo
    | Recall
    | Cancel
    | Examine
    | Watch
    | Plain
    | Stop
)
