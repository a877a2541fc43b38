"""Why an attempt ended: what the witnesses said, and what follows from it.

`judge` is a pure function of statements. Three rules stand above the table:
absence is never success, a failed query is no statement at all, and where
nobody knows, the verdict is `Cause.LOST`.
"""

from __future__ import annotations

import enum
import signal
from typing import TYPE_CHECKING, Final

import attrs

from gridmap.resources import format_memory

if TYPE_CHECKING:
    from collections.abc import Iterable


class Cause(enum.Enum):
    """Why an attempt ended. The set is closed."""

    RETURNED = "returned"
    """The function returned a value."""
    RAISED = "raised"
    """The function raised an exception."""
    UNPICKLABLE = "unpicklable"
    """The function returned, but its value cannot be sent."""
    EXITED = "exited"
    """The function ended its process with an exit status."""
    SIGNALLED = "signalled"
    """A signal ended the worker (a crash, or a kill from outside)."""
    OUT_OF_MEMORY = "out of memory"
    TIME_LIMIT = "time limit"
    PREEMPTED = "preempted"
    NODE_LOST = "node lost"
    STALLED = "stalled"
    CANCELLED = "cancelled"
    """The user cancelled it through gridmap."""
    KILLED = "killed by someone else"
    """A person or the site killed the runner through the scheduler."""
    NEVER_STARTED = "never started"
    """No runner ever came up to run it."""
    REJECTED = "rejected"
    """The scheduler would not take the runner."""
    ENVIRONMENT_BROKEN = "environment broken"
    """The node cannot run it: other Python, missing package or module."""
    LOST = "lost"
    """It is gone, and no witness knows why."""


class Witness(enum.Enum):
    """Who can say something about a death."""

    WORKER = "worker"
    RUNNER = "runner"
    HEARTBEAT = "heartbeat"
    KERNEL = "kernel"
    SCHEDULER = "scheduler"
    ACCOUNTING = "accounting"
    USER = "user"


@attrs.frozen(kw_only=True)
class Statement:
    """What one witness said.

    Attributes:
        witness: Who.
        text: What, in its own words, for people.
        cause: What it proves; None if it only describes.
        exit_status: Exit status 0 to 255, if it knows one.
        signal: Number of the signal that ended it, if it knows one.
        peak_memory: Most memory held, bytes, if it knows.
    """

    witness: Witness
    text: str
    cause: Cause | None = None
    exit_status: int | None = None
    signal: int | None = None
    peak_memory: int | None = None


INFRASTRUCTURE: Final = frozenset(
    {Cause.LOST, Cause.NODE_LOST, Cause.STALLED, Cause.PREEMPTED, Cause.NEVER_STARTED}
)
"""Causes that are not the job's doing: it is run again."""

_WEIGHT: Final = {
    # Who acted knows best; who measured comes next; who only saw the end comes last.
    Cause.RETURNED: 16,
    Cause.RAISED: 15,
    Cause.UNPICKLABLE: 14,
    Cause.CANCELLED: 13,
    Cause.REJECTED: 12,
    Cause.ENVIRONMENT_BROKEN: 11,
    Cause.STALLED: 10,
    Cause.OUT_OF_MEMORY: 9,
    Cause.TIME_LIMIT: 8,
    Cause.PREEMPTED: 7,
    Cause.NODE_LOST: 6,
    Cause.KILLED: 5,
    Cause.EXITED: 4,
    Cause.SIGNALLED: 3,
    Cause.NEVER_STARTED: 2,
    Cause.LOST: 1,
}

_ADVICE: Final = {
    Cause.UNPICKLABLE: "return plain data, or give the class a __reduce__ method",
    Cause.EXITED: "do not end the process inside a job; raise an exception instead",
    Cause.SIGNALLED: "look at the log: a native extension may have crashed",
    Cause.OUT_OF_MEMORY: "ask for more memory",
    Cause.TIME_LIMIT: "ask for a longer walltime",
    Cause.KILLED: "ask who killed it; gridmap does not start again what a person ended",
    Cause.NEVER_STARTED: "look at the log of the runner and run `gridmap doctor`",
    Cause.REJECTED: "change the request as the scheduler's words say",
    Cause.ENVIRONMENT_BROKEN: "install the same Python and packages on the nodes",
    Cause.LOST: "look at the node and at the scheduler's own logs",
    Cause.NODE_LOST: "tell the administrator about the node, or leave it out",
    Cause.STALLED: "find what it waits for, or raise the setting stall_limit",
}


@attrs.frozen(kw_only=True)
class Verdict:
    """Why one attempt of one job ended.

    Attributes:
        cause: The cause.
        statements: What every witness said, in the order it was said.
        job: The job, as the user knows it (name, or its number in the map).
        attempt: Which attempt, from 1.
        node: Where it ran; None if nowhere.
        runner: The scheduler's handle of its runner; None if there was none.
        raised: Names of the class of the exception that ended it, and of its bases,
            nearest first; empty if none did.
        checkpointed: Whether the attempt left a checkpoint for the next to go on with.
        asked_memory: Bytes of memory asked for; None if nothing was.
        log_tail: The last lines it wrote.
        log_path: Where the whole log lies; None if there is none.
    """

    cause: Cause
    statements: tuple[Statement, ...] = ()
    job: str = ""
    attempt: int = 1
    node: str | None = None
    runner: str | None = None
    raised: tuple[str, ...] = ()
    checkpointed: bool = False
    asked_memory: int | None = None
    log_tail: str = ""
    log_path: str | None = None

    @property
    def exit_status(self) -> int | None:
        """Exit status that some witness saw, None if nobody saw one."""
        return _first(statement.exit_status for statement in self.statements)

    @property
    def signal(self) -> int | None:
        """Signal that some witness saw, None if nobody saw one."""
        return _first(statement.signal for statement in self.statements)

    @property
    def peak_memory(self) -> int | None:
        """Most memory any witness saw, bytes, None if nobody measured."""
        peaks = [s.peak_memory for s in self.statements if s.peak_memory is not None]
        return max(peaks, default=None)

    @property
    def lacked_memory(self) -> bool:
        """Whether it was ended, or had to end itself, for want of memory."""
        return self.cause is Cause.OUT_OF_MEMORY or "MemoryError" in self.raised

    def explain(self) -> str:
        """Return the whole story for people: headline, evidence, log, next step."""
        lines = [self._headline()]
        lines += [f"  {s.witness.value}: {s.text}" for s in self.statements]
        if memory := self._memory():
            lines.append(f"  memory: {memory}")
        if self.log_tail:
            lines.append("  last output:")
            lines += [f"    | {line}" for line in self.log_tail.splitlines()]
        if self.log_path:
            lines.append(f"  log: {self.log_path}")
        if advice := _ADVICE.get(self.cause):
            lines.append(f"  next step: {advice}")
        return "\n".join(lines)

    def _headline(self) -> str:
        name = " ".join(self.job.split())  # a user may put line breaks into a name
        text = f"{name or 'the job'}: {self.cause.value}"
        if self.cause is Cause.EXITED and self.exit_status is not None:
            text += f" with status {self.exit_status}"
        if self.signal is not None:
            text += f" ({signal_name(self.signal)})"
        place = [f"attempt {self.attempt}"]
        place += [f"on {self.node}"] if self.node else []
        place += [f"runner {self.runner}"] if self.runner else []
        return f"{text} [{', '.join(place)}]"

    def _memory(self) -> str:
        parts = []
        if self.asked_memory is not None:
            parts.append(f"asked for {format_memory(self.asked_memory)}")
        if self.peak_memory is not None:
            parts.append(f"peaked at {format_memory(self.peak_memory)}")
        return ", ".join(parts)


def judge(statements: Iterable[Statement]) -> Cause:
    """Return the cause that the statements prove.

    Args:
        statements: What the witnesses said, in any order. A query that failed is
            not a statement.

    Returns:
        The weightiest cause any witness proves; `Cause.LOST` where none proves any.
    """
    proven = [statement.cause for statement in statements if statement.cause]
    return max(proven, key=lambda cause: _WEIGHT[cause], default=Cause.LOST)


def signal_name(number: int) -> str:
    """Return a signal's name, such as ``"SIGKILL"``, or its number as text."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)
