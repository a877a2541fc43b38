"""Why an attempt ended: what the witnesses said, and what follows from it.

`judge` is a pure function of statements. Three rules stand above the table:
absence is never success, a failed query is no statement at all, and where
nobody knows, the verdict is `Cause.LOST`.
"""

from __future__ import annotations

import enum
import re
import signal
from typing import TYPE_CHECKING, Final

import msgspec

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
    """It took more memory than it was allowed."""
    TIME_LIMIT = "time limit"
    """Its runner's time was over."""
    PREEMPTED = "preempted"
    """The scheduler took its runner's place away, or started the runner again."""
    NODE_LOST = "node lost"
    """The node failed, or the scheduler cannot reach it any more."""
    STALLED = "stalled"
    """It did nothing at all for longer than the setting stall_limit."""
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


class Statement(msgspec.Struct, frozen=True, kw_only=True):
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
    Cause.NODE_LOST: 7,  # a scheduler that starts a runner again has lost its node
    Cause.PREEMPTED: 6,
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
    Cause.PREEMPTED: "raise num_resubmits, or ask for a queue that is not preempted",
    Cause.KILLED: "ask who killed it; gridmap does not start again what a person ended",
    Cause.NEVER_STARTED: "look at the log of the runner and run `gridmap doctor`",
    Cause.REJECTED: "change what the words above find fault with",
    Cause.ENVIRONMENT_BROKEN: "install the same Python and packages on the nodes",
    Cause.LOST: "look at the node and at the scheduler's own logs",
    Cause.NODE_LOST: "tell the administrator about the node, or leave it out",
    Cause.STALLED: "find what it waits for, or raise the setting stall_limit",
}

_CRASHES: Final = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
_NEAR: Final = 0.9
"""Part of the memory asked for from which on an unexplained SIGKILL looks like its want.
Suspicion goes into the text, never into the cause: slurmd and the kernel kill near the
limit, but so does anybody at any time."""

_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
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
        asked_memory: Bytes it was to be held to, or was promised; None if nothing was
            asked for.
        asked_walltime: Seconds its runner was to have; None if nothing was asked for.
        ran_s: Seconds it had run, None if nobody knows.
        late: Whether it began when part of its runner's time was over, so that it had
            less than was asked for.
        earlier: The verdicts on the attempts before, oldest first.
        stack: The worker's Python stack, where it was asked for; else empty.
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
    asked_walltime: int | None = None
    ran_s: float | None = None
    late: bool = False
    earlier: tuple[Verdict, ...] = ()
    stack: str = ""
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
        """Return the whole story for people: headline, evidence, log, next step.

        Never raises, and holds no control characters but line ends, whatever is in it.
        """
        lines = [self._headline()]
        lines += [f"  {s.witness.value}: {s.text}" for s in self.statements]
        if memory := self._memory():
            lines.append(f"  memory: {memory}")
        if time := self._time():
            lines.append(f"  time: {time}")
        lines += [f"  before: {before.summary()}" for before in self.earlier]
        lines += _block("the worker's Python stack", self.stack)
        lines += _block("last output", self.log_tail)
        if self.log_path:
            lines.append(f"  log: {self.log_path}")
        if advice := self.advise():
            lines.append(f"  next step: {advice}")
        return "\n".join(map(_plain, lines))

    def summary(self) -> str:
        """Return the attempt in one line."""
        text = f"attempt {self.attempt}"
        text += f" on {self.node}" if self.node else ""
        text += f": {self._cause()}"
        if self.raised:
            text += f", {self.statements[0].text}" if self.statements else ""
        elif memory := self._memory():
            text += f", {memory}"
        return _plain(text)

    def advise(self) -> str:
        """Return the next step for people, with the numbers of this death."""
        if self.lacked_memory:
            return self._more_memory()
        if self.cause is Cause.TIME_LIMIT:
            asked = self.asked_walltime
            steps = _steps(_clock(n * (asked or 3600)) for n in (2, 4))
            before = f"{time}: " if (time := self._time()) else ""
            return f"{before}ask for more, e.g. retry=Escalate(walltime={steps})"
        if self.cause is Cause.SIGNALLED:
            return self._signalled()
        if self.cause is Cause.STALLED and self.stack:
            return "see above where it waits; or raise the setting stall_limit"
        return _ADVICE.get(self.cause, "")

    def _more_memory(self) -> str:
        known = max(self.asked_memory or 0, self.peak_memory or 0)
        steps = _steps(_more_than(known or 2**30))
        parts = [self._memory()] if self._memory() else []
        if self.asked_memory is None:
            parts.append("nothing was asked for, so it had what the site gives")
        if any(s.witness is Witness.KERNEL for s in self.statements):
            parts.append("killed by the kernel")
        elif self.cause is Cause.RAISED:
            parts.append("refused more by its limit, or asked for too much at once")
        told = f"{', '.join(parts)}: " if parts else ""
        if self.cause is Cause.RAISED and not known:
            return f"{told}ask for more than that, with memory_limit= or retry=Escalate"
        return f"{told}ask for more, e.g. retry=Escalate(memory={steps})"

    def _signalled(self) -> str:
        if self.signal in _CRASHES:
            return "look at the log: a native extension may have crashed"
        if self.signal == signal.SIGXCPU:
            return "its limit of processor time (RLIMIT_CPU) was over: raise it"
        if self.signal != signal.SIGKILL:
            return "find out who sent the signal, if the job did not itself"
        peak, asked = self.peak_memory, self.asked_memory
        if peak is not None and asked is not None and peak >= _NEAR * asked:
            steps = _steps(_more_than(asked))
            return (
                f"{self._memory()}: perhaps it was killed for want of memory, though no "
                f"witness says so; try with more, e.g. memory={steps}"
            )
        return (
            "nobody saw who sent SIGKILL: somebody on the node, or the kernel when the "
            "whole node was short of memory; look at the node's kernel log"
        )

    def _headline(self) -> str:
        name = " ".join(self.job.split())  # a user may put line breaks into a name
        place = [f"attempt {self.attempt}"]
        place += [f"on {self.node}"] if self.node else []
        place += [f"runner {self.runner}"] if self.runner else []
        return f"{name or 'the job'}: {self._cause()} [{', '.join(place)}]"

    def _cause(self) -> str:
        text = self.cause.value
        if self.cause is Cause.EXITED and self.exit_status is not None:
            text += f" with status {self.exit_status}"
        if self.signal is not None:
            text += f" ({signal_name(self.signal)})"
        return text

    def _memory(self) -> str:
        parts = []
        if self.asked_memory is not None:
            parts.append(f"asked for {format_memory(self.asked_memory)}")
        if self.peak_memory is not None:
            parts.append(f"peaked at {format_memory(self.peak_memory)}")
        return ", ".join(parts)

    def _time(self) -> str:
        parts = []
        if self.asked_walltime is not None:
            parts.append(f"asked for {_clock(self.asked_walltime)}")
        if self.ran_s is not None:
            parts.append(f"had run for {self.ran_s:.0f} s")
        if self.late:
            parts.append("began when part of its runner's time was over")
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


def _block(title: str, text: str) -> list[str]:
    lines = [f"    | {line}" for line in _ESCAPES.sub("", text).splitlines()]
    return [f"  {title}:", *lines] if lines else []


def _plain(line: str) -> str:
    """Return a line that does nothing to a terminal."""
    line = " ".join(line.splitlines()).replace("\t", "    ")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)


def _steps(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _more_than(amount: int) -> list[str]:
    """Return at least twice and four times so much memory, as people would write it."""
    units = (("T", 2**40), ("G", 2**30), ("M", 2**20))
    unit, size = next((one for one in units if 2 * amount >= one[1]), units[-1])
    number = max(1, -(-2 * amount // size))
    return [f"{number}{unit}", f"{2 * number}{unit}"]


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
