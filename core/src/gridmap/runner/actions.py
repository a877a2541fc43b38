"""What a runner's rules are told of its worker, and what they ask its shell to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs

from gridmap.protocol import messages as m
from gridmap.runner.interruption import AskCheckpoint


@attrs.frozen(kw_only=True)
class Vitals:
    """What was measured of the worker's process tree; see `messages.Beat`."""

    cpu: float = 0.0
    rss: int = 0
    peak: int = 0
    read: int | None = None
    written: int | None = None
    processes: int = 0


@attrs.frozen(kw_only=True)
class WorkerEnd:
    """How a worker ended, and what it was doing.

    Attributes:
        job: The job it was running; None if none.
        seconds: For how long it had.
        status: Exit status; None if a signal ended it.
        signal: That signal.
        peak: Most memory held, bytes.
        out_of_memory: Whether the kernel killed in its group for want of memory.
        tail: The last it printed.
    """

    job: int | None
    seconds: float
    status: int | None
    signal: int | None
    peak: int
    out_of_memory: bool
    tail: str


@attrs.frozen(kw_only=True)
class Say:
    """Send a message, with the payload frames that belong to it."""

    message: m.FromRunner
    frames: Sequence[Any] = ()


@attrs.frozen(kw_only=True)
class SetUp:
    """Make the worker like the user's process."""

    welcome: m.Welcome


@attrs.frozen(kw_only=True)
class Feed:
    """Hand jobs ``first`` to ``stop - 1`` of a grant to the worker."""

    grant: int
    first: int
    stop: int
    function: bytes


@attrs.frozen(kw_only=True)
class Withdraw:
    """Take back from the worker what it has not begun: a long job is before it.

    What it is at is told at once (`RunnerMachine.withdrawn`), and when it has read that
    nothing of before is to be begun (`RunnerMachine.cleared`).
    """


@attrs.frozen(kw_only=True)
class KillWorker:
    """End the worker and its children; its end will be told as usual."""


@attrs.frozen(kw_only=True)
class StartWorker:
    """Bring up a fresh worker; it has to be set up again."""


@attrs.frozen(kw_only=True)
class Examine:
    """Ask the worker where it is, for the sake of this job."""

    job: int


@attrs.frozen(kw_only=True)
class DropGrant:
    """A grant is done: its inputs can be forgotten."""

    grant: int


@attrs.frozen(kw_only=True)
class Leave:
    """End the runner, once what was said has been sent.

    Attributes:
        status: Exit status.
    """

    status: int


Action: TypeAlias = (
    Say
    | SetUp
    | Feed
    | Examine
    | Withdraw
    | KillWorker
    | StartWorker
    | DropGrant
    | AskCheckpoint
    | Leave
)
