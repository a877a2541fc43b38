"""From what a backend and a log show to statements a verdict can rest on. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gridmap.backend import Autopsy, Ending, Limit, Seen, SeenState
from gridmap.protocol.messages import Kind
from gridmap.resources import format_memory
from gridmap.verdict import Cause, Statement, Witness, signal_name

if TYPE_CHECKING:
    from gridmap.protocol.messages import (
        Checkpoint,
        Failure,
        Goodbye,
        Hello,
        Warned,
        WorkerLost,
    )

_BROKEN: Final = re.compile(
    r"No module named '?gridmap|ModuleNotFoundError|ImportError|"
    r"command not found|exec: \S+: not found|No such file or directory|"
    r"cannot open shared object",
)

_EARLY_S: Final = 3.0
_LATE_S: Final = 120.0
"""Slurm looks at limits twice a minute and then waits for ``KillWait``, 30 s."""

_ENDINGS: Final = {
    Ending.PERSON: Cause.KILLED,
    Ending.PREEMPTION: Cause.PREEMPTED,
    Ending.NODE: Cause.NODE_LOST,
    Ending.START: Cause.NEVER_STARTED,
}

_KIND_TEXTS: Final = {
    Kind.RAISED: "the function raised an exception",
    Kind.UNPICKLABLE: "the function returned, but its value cannot be sent",
    Kind.EXITED: "the function asked its process to exit",
}

_KIND_CAUSES: Final = {
    Kind.RAISED: Cause.RAISED,
    Kind.UNPICKLABLE: Cause.UNPICKLABLE,
    Kind.EXITED: Cause.EXITED,
}

_LAST_WORDS: Final = {
    "broken": Cause.ENVIRONMENT_BROKEN,
    "deadline": Cause.TIME_LIMIT,
    "preempted": Cause.PREEMPTED,
}

_LIMITS: Final = {Limit.MEMORY: Cause.OUT_OF_MEMORY, Limit.TIME: Cause.TIME_LIMIT}


def from_autopsy(autopsy: Autopsy) -> Statement:
    """Return what accounting's finding means."""
    cause = _LIMITS[autopsy.limit] if autopsy.limit else None
    if cause is None and autopsy.ending is not None:
        cause = _ENDINGS.get(autopsy.ending)
    ended = "the runner ended"
    if autopsy.signal is not None:
        ended += f" by {signal_name(autopsy.signal)}"
    elif autopsy.exit_status is not None:
        ended += f" with status {autopsy.exit_status}"
    return Statement(
        witness=Witness.ACCOUNTING,
        text=autopsy.text or ended,
        cause=cause,
        exit_status=autopsy.exit_status,
        signal=autopsy.signal,
        peak_memory=autopsy.peak_memory,
    )


def from_sight(seen: Seen | None) -> Statement:
    """Return what the scheduler showed last; absence proves nothing.

    That it has lost the node is the one thing it can prove by what it shows.
    """
    if seen is None:
        text = "does not know the runner any more"
    else:
        text = f"shows the runner as {seen.state.value}"
        text += f" ({seen.raw})" if seen.raw and seen.raw != seen.state.value else ""
        text += f" on {seen.node}" if seen.node else ""
        text += f": {seen.reason}" if seen.reason else ""
    lost = seen is not None and seen.state is SeenState.UNREACHABLE
    return Statement(
        witness=Witness.SCHEDULER, text=text, cause=Cause.NODE_LOST if lost else None
    )


def from_worker(lost: WorkerLost) -> list[Statement]:
    """Return what a runner saw of its worker's death."""
    statements = []
    if lost.out_of_memory:
        statements.append(
            Statement(
                witness=Witness.KERNEL,
                text="counted an out-of-memory kill in the worker's group",
                cause=Cause.OUT_OF_MEMORY,
            )
        )
    if lost.signal is not None:
        text, cause = f"was ended by {signal_name(lost.signal)}", Cause.SIGNALLED
    else:
        text, cause = f"ended itself with status {lost.status}", Cause.EXITED
    text += f" after {lost.seconds:.1f} s in the job"
    if lost.peak:
        text += f", having held {format_memory(lost.peak)}"
    statements.append(
        Statement(
            witness=Witness.WORKER,
            text=text,
            cause=cause,
            exit_status=lost.status,
            signal=lost.signal,
            peak_memory=lost.peak or None,
        )
    )
    return statements


def from_failure(failure: Failure) -> Statement:
    """Return what a worker told of a call that did not return a value."""
    text = _KIND_TEXTS[failure.kind]
    if failure.kind is Kind.RAISED and failure.classes:
        text = f"the function raised {failure.classes[0]}"
    if failure.text and failure.kind is not Kind.EXITED:
        text += f": {failure.text}"
    return Statement(
        witness=Witness.WORKER,
        text=text,
        cause=_KIND_CAUSES[failure.kind],
        exit_status=failure.status,
    )


def from_goodbye(goodbye: Goodbye) -> Statement:
    """Return what a runner's last words mean."""
    cause = _LAST_WORDS.get(goodbye.reason)
    text = f"said goodbye: {goodbye.text or goodbye.reason}"
    return Statement(
        witness=Witness.RUNNER, text=text, cause=cause, signal=goodbye.signal
    )


def from_warning(warned: Warned) -> Statement:
    """Return what it means that a runner was warned; who wants what is not said."""
    return Statement(witness=Witness.RUNNER, text=f"said that {warned.text}")


def from_checkpoint(saved: Checkpoint) -> Statement:
    """Return what a runner says of the checkpoint it sent."""
    text = f"sent a checkpoint, made after {saved.seconds:.1f} s in job {saved.job}"
    return Statement(witness=Witness.RUNNER, text=text)


def from_beat(ago_s: float, cpu_s: float, rss: int, peak: int) -> Statement:
    """Return what the last heartbeat said; that none came since proves nothing.

    Args:
        ago_s: Seconds since it came.
        cpu_s: Processor seconds the worker's tree had used by then.
        rss: Bytes it held.
        peak: Most bytes it ever held.
    """
    text = f"the last one came {ago_s:.0f} s ago: {cpu_s:.1f} s of processor time"
    text += f", {format_memory(rss)} held" if rss else ""
    return Statement(
        witness=Witness.HEARTBEAT, text=text, peak_memory=max(peak, rss) or None
    )


def from_silence(seconds: float) -> Statement:
    """Return what it means that no heartbeat ever came: nothing."""
    return Statement(
        witness=Witness.HEARTBEAT,
        text=f"none came; the runner was last heard {seconds:.0f} s ago",
    )


def from_deadline(after_s: float, until_s: float) -> Statement:
    """Return what it means that a runner went when its time was over.

    To be asked only where nobody else proves anything: whoever acted knows better.

    Args:
        after_s: Seconds from its deadline to the moment its connection broke, at least.
        until_s: Likewise, at most: more where the driver was stopped for a while.
    """
    when = f"{abs(until_s):.0f} s {'before' if until_s < 0 else 'after'}"
    if until_s - after_s >= 1.0:
        when = (
            f"within {until_s - after_s:.0f} s in which nobody listened, until {when}"
        )
    near = after_s >= -_EARLY_S and until_s <= _LATE_S
    return Statement(
        witness=Witness.RUNNER,
        text=f"its connection broke {when} its time was over, as it had told",
        cause=Cause.TIME_LIMIT if near else None,
    )


def from_log(tail: str) -> Statement | None:
    """Return what the log of a runner that never said hello shows, if anything."""
    for line in reversed(tail.splitlines()):
        if _BROKEN.search(line):
            return Statement(
                witness=Witness.RUNNER,
                text=f"its log ends with: {line.strip()}",
                cause=Cause.ENVIRONMENT_BROKEN,
            )
    return None


def refusal(hello: Hello, *, version: int, python: tuple[int, int]) -> str | None:
    """Return why a runner cannot be let in; None if it can.

    Args:
        hello: What it said of itself.
        version: This side's protocol version.
        python: This side's Python, major and minor: pickled functions hold byte
            code, which only the same minor version can run.
    """
    theirs = ".".join(map(str, hello.python))
    if hello.python[:2] != python:
        return (
            f"node {hello.node} has Python {theirs}, the user's process "
            f"{python[0]}.{python[1]}: functions travel as byte code and need the same "
            "minor version; name an interpreter that the nodes have with the setting "
            "python"
        )
    if hello.version != version:
        return (
            f"node {hello.node} has gridmap {hello.gridmap} with protocol "
            f"{hello.version}, the user's process has protocol {version}: install the "
            "same gridmap on both"
        )
    return None
