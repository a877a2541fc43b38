"""What a runner's rules are told of its worker, and what they ask its shell to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from gridmap.runner.interruption import AskCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.protocol import messages as m


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of the worker's process tree; see `messages.Beat`."""

    cpu: float = 0.0
    rss: int = 0
    peak: int = 0
    read: int | None = None
    written: int | None = None
    processes: int = 0


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the worker at one time.

    Attributes:
        vitals: Of its process tree; measured where a heartbeat is due.
        job: The job it runs; None if none.
        seconds: For how long it has.
        can_save: Whether that job can be asked for a checkpoint.
        progress: How far it says it is; looked at where the rules show it.
        tail: The last that was printed since the heartbeat before.
    """

    vitals: Vitals = Vitals()
    job: int | None = None
    seconds: float = 0.0
    can_save: bool = False
    progress: m.Progress | None = None
    tail: str = ""


class WorkerEnd(msgspec.Struct, frozen=True, kw_only=True):
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


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """Send a message, with the payload frames that belong to it."""

    message: m.FromRunner
    frames: Sequence[Any] = ()


class SetUp(msgspec.Struct, frozen=True, kw_only=True):
    """Make the worker like the user's process."""

    welcome: m.Welcome


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Hand jobs ``first`` to ``stop - 1`` of a grant to the worker."""

    grant: int
    first: int
    stop: int
    function: bytes


class Withdraw(msgspec.Struct, frozen=True, kw_only=True):
    """Take back from the worker what it has not begun: a long job is before it.

    What it is at is told at once (`RunnerMachine.withdrawn`), and when it has read that
    nothing of before is to be begun (`RunnerMachine.cleared`).
    """


class KillWorker(msgspec.Struct, frozen=True, kw_only=True):
    """End the worker and its children; its end will be told as usual."""


class StartWorker(msgspec.Struct, frozen=True, kw_only=True):
    """Bring up a fresh worker; it has to be set up again."""


class Examine(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the worker where it is, for the sake of this job."""

    job: int


class DropGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant is done: its inputs can be forgotten."""

    grant: int


class Leave(msgspec.Struct, frozen=True, kw_only=True):
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
