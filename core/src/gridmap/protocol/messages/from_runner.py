"""What a runner says."""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

from msgspec import Meta

from gridmap.protocol.messages.fields import (
    Amount,
    Count,
    Holdings,
    Message,
    Moment,
    Seconds,
    Short,
    Sizes,
    Status,
    Text,
    Word,
)
from gridmap.protocol.messages.from_either import Credit, Piece


class Kind(enum.IntEnum):
    """How a call ended inside the worker, where it did not return a value."""

    RAISED = 1
    UNPICKLABLE = 2
    EXITED = 3
    """It raised SystemExit; ``status`` is what it asked for."""


class Failure(Message, frozen=True):
    """One job of a report that did not return a value.

    Its payload is the pickled exception.

    Attributes:
        offset: The job's place in the report, from 0.
        kind: How it ended.
        status: The exit status it asked for, where it has one.
        classes: Names of the exception's class and its bases, nearest first.
        text: What the exception says, the beginning, on one line.
    """

    offset: Count
    kind: Kind
    status: Status | None = None
    classes: tuple[Word, ...] = ()
    text: Word = ""


class Hello(Message, frozen=True, tag="hello"):
    """A runner is up and asks to be let in. Always its first message.

    Attributes:
        version: Its protocol version.
        nonce: Random, one for each life of a runner process: tells a reconnection
            from a start in place under the same handle.
        job: Scheduler job id; None if its environment did not tell.
        task: Index within the array; None for a job of its own.
        node: Its host name.
        pid: Its process id on that host.
        python: Its Python version, three numbers.
        gridmap: Its gridmap version.
        remaining: Seconds until the scheduler will end it; None if unlimited.
        slots: Cores granted to it; None if unknown.
        holds: Grants it still holds, after a reconnection.
        connection: Which of its connections this is, from 1. One that is greeted on
            twice was not broken between.
        memory: A reference to memory of its own that holds its nonce; empty if it
            has none, or wants no references.
        seen: What it read in the memory that the connection file refers to.
        apart: Whether it reaches the monitor on the connections that large frames
            have for themselves.
    """

    version: Count
    nonce: Word
    job: Word | None
    task: Word | None
    node: Word
    pid: Count
    python: tuple[Count, Count, Count]
    gridmap: Word
    remaining: Moment | None = None
    slots: Count | None = None
    holds: Holdings = ()
    connection: Count = 1
    memory: Short = b""
    seen: Short = b""
    apart: bool = False


class Progress(Message, frozen=True):
    """How far a job says it is.

    Attributes:
        done: How much is done, in whatever the job counts.
        total: How much there is to do; None if it does not know.
        text: What it is at.
    """

    done: Amount
    total: Amount | None = None
    text: Word = ""


class Beat(Message, frozen=True, tag="beat"):
    """A heartbeat, with the vitals of the worker's whole process tree.

    Attributes:
        number: Counts up from 1.
        holds: Grants it holds: work received and not all reported.
        echo: The latest beat whose echo it heard; 0 before the first. What was sent
            before that echo has come, or was lost.
        job: The job being run; None if idle.
        running: For how long, seconds.
        cpu: Processor seconds the tree used so far, ended children included.
        rss: Bytes of memory held now.
        peak: Most bytes held since the job began, or a moment later.
        read: Bytes read so far; None where the kernel does not tell.
        written: Bytes written so far; None likewise.
        processes: How many processes the tree has.
        progress: How far the job says it is; None if it says nothing.
        tail: The last of what it printed since the beat before.
    """

    number: Count
    holds: Holdings
    echo: Count = 0
    job: Count | None = None
    running: Seconds = 0.0
    cpu: Seconds = 0.0
    rss: Count = 0
    peak: Count = 0
    read: Count | None = None
    written: Count | None = None
    processes: Count = 0
    progress: Progress | None = None
    tail: Text = ""


class Printed(Message, frozen=True):
    """What a job printed.

    Attributes:
        job: The job; None if that is not known.
        text: What.
    """

    job: Count | None
    text: Text


class Live(Message, frozen=True, tag="live"):
    """What a watched runner has to show between its heartbeats. It may be lost.

    Attributes:
        job: The job being run, which *progress* is of; None if idle.
        progress: How far it says it is; None if that is nothing new.
        printed: What was printed since, in order.
        lost: Bytes that were printed and are left out, for there were too many.
    """

    job: Count | None = None
    progress: Progress | None = None
    printed: tuple[Printed, ...] = ()
    lost: Count = 0


class Stack(Message, frozen=True, tag="stack"):
    """Where a job is: the answer to `Examine`. It may be lost.

    Attributes:
        job: The job.
        text: The Python stack of each thread, or what is known where Python is silent.
    """

    job: Count
    text: Text


class Report(Message, frozen=True, tag="report"):
    """Jobs ended; as many payloads follow, packed, in order.

    Attributes:
        number: See the package's text.
        grant: The grant they belong to.
        first: Their first job.
        count: How many, without a gap.
        failures: Those that did not return a value.
        seconds: How long they took together.
        peak: Most bytes the worker's tree held since the last of them began, or a
            moment later; 0 where it was not looked at, as for quick jobs.
    """

    number: Count
    grant: Count
    first: Count
    count: Annotated[int, Meta(ge=1, le=2**20)]
    failures: tuple[Failure, ...] = ()
    seconds: Seconds = 0.0
    peak: Count = 0


class WorkerLost(Message, frozen=True, tag="worker-lost"):
    """The worker's process ended in the middle of a job; the runner lives on.

    Attributes:
        number: See the package's text.
        grant: The job's grant.
        job: The job it was running.
        status: Its exit status; None if a signal ended it.
        signal: The signal that ended it; None if none did.
        peak: Most bytes its tree held since the job began, or a moment later.
        out_of_memory: Whether the kernel counted an out-of-memory kill in its group.
        seconds: How long the job had run.
        tail: The last it printed.
    """

    number: Count
    grant: Count
    job: Count
    status: Status | None
    signal: Count | None
    peak: Count = 0
    out_of_memory: bool = False
    seconds: Seconds = 0.0
    tail: Text = ""


class Returned(Message, frozen=True, tag="returned"):
    """Jobs of a grant are handed back, not started."""

    number: Count
    grant: Count
    first: Count
    count: Annotated[int, Meta(ge=1)]


class Warned(Message, frozen=True, tag="warned"):
    """The runner's end is near, or it is to be suspended; it says what it does then.

    Attributes:
        number: See the package's text.
        text: In words.
        signal: The signal that warned it; None if its own clock did.
        job: The job it was running; None if none.
        ending: Whether it is to be given no more work.
    """

    number: Count
    text: Text
    signal: Count | None = None
    job: Count | None = None
    ending: bool = False


class Checkpoint(Message, frozen=True, tag="checkpoint"):
    """What a job that was interrupted is to go on with; its payload follows.

    Attributes:
        number: See the package's text.
        grant: The job's grant.
        job: The job.
        digest: Content address of the payload, which takes the place of the job's
            function in the next attempt.
        seconds: How long the job had run.
    """

    number: Count
    grant: Count
    job: Count
    digest: bytes
    seconds: Seconds = 0.0


class Bring(Message, frozen=True, tag="bring"):
    """Frames of the next message will come in pieces, as far as the monitor lets them.

    Attributes:
        first: Number of the first; the others are numbered on from there.
        sizes: Of each, bytes.
    """

    first: Count
    sizes: Sizes


class Goodbye(Message, frozen=True, tag="goodbye"):
    """The runner ends. Its last message.

    Attributes:
        number: See the package's text.
        reason: ``"stopped"`` (the monitor said so), ``"signal"`` (somebody told it
            to end), ``"preempted"`` (it gave way), ``"orphaned"``, ``"deadline"`` or
            ``"broken"``.
        text: In words.
        signal: The signal, where the reason is one.
        job: The job it was running, which it ended; None if none.
        tail: The last that job printed.
    """

    number: Count
    reason: Word
    text: Text = ""
    signal: Count | None = None
    job: Count | None = None
    tail: Text = ""


FromRunner: TypeAlias = (
    Hello
    | Beat
    | Live
    | Stack
    | Report
    | WorkerLost
    | Returned
    | Warned
    | Checkpoint
    | Bring
    | Piece
    | Credit
    | Goodbye
)
