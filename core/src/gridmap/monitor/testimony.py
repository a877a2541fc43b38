"""What the monitor itself knows of a runner, as statements of those who told it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.backend import SeenState
from gridmap.monitor import diagnosis
from gridmap.verdict import Cause, Statement, Witness, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.backend import Seen
    from gridmap.monitor.fleet import Runner
    from gridmap.monitor.jobs import Grant
    from gridmap.verdict import Verdict

_LATE_S: Final = 2.0
_LATE_PART: Final = 0.1
"""A job that begins later than that in its runner's time has less than was asked for."""

REQUEUED: Final = Statement(
    witness=Witness.SCHEDULER,
    text="started the runner again under the same handle",
    cause=Cause.PREEMPTED,
)


SHUT_OUT: Final = Statement(
    witness=Witness.RUNNER, text="said too much that led nowhere, and was shut out"
)


def of_beat(runner: Runner, now: float) -> Statement:
    """Return what its last heartbeat said, and when."""
    if runner.beat_at is None:
        return diagnosis.from_silence(now - runner.heard)
    ago = now - runner.beat_at
    return diagnosis.from_beat(ago, runner.cpu, runner.rss, runner.peak)


def of_sight(runner: Runner) -> list[Statement]:
    """Return what the scheduler showed last, if it was ever asked."""
    if runner.absent:
        return [diagnosis.from_sight(None)]
    return [diagnosis.from_sight(runner.seen)] if runner.seen else []


def of_loss(runner: Runner, seen: Seen) -> list[Statement]:
    """Return that its node was lost, when the scheduler shows what it did about that."""
    lost = SeenState.UNREACHABLE
    if runner.seen is None or not (runner.seen.state is lost is not seen.state):
        return []
    return [diagnosis.from_sight(runner.seen)]


def of_deadline(runner: Runner, said: Sequence[Statement]) -> list[Statement]:
    """Return what its deadline tells, where the others prove nothing.

    It is an inference, so it is drawn only where no witness knows: whoever acted has
    the last word, also on a runner whose time was nearly over.
    """
    if runner.deadline is None or runner.broke_at is None:
        return []
    if judge(said) is not Cause.LOST:
        return []
    deadline, after = runner.deadline, runner.broke_after
    return [diagnosis.from_deadline(after - deadline, runner.broke_at - deadline)]


def on_job(
    runner: Runner, job: int, said: Iterable[Statement], now: float
) -> list[Statement]:
    """Return what was said of a runner as said of a job that it ran.

    With what the last heartbeat said, if it is not there. What was held then is no
    testimony on another job than the one that ran then.
    """
    statements = list(said)
    heard = any(s.witness is Witness.HEARTBEAT for s in statements)
    if not heard and runner.beat_at is not None:
        statements.append(of_beat(runner, now))
    if runner.job == job:
        return statements
    return [
        msgspec.structs.replace(s, peak_memory=None)
        if s.witness is Witness.HEARTBEAT
        else s
        for s in statements
    ]


def completed(verdict: Verdict, runner: Runner, grant: Grant, job: int) -> Verdict:
    """Return a verdict with what only the monitor knows of the attempt."""
    place, stack = runner.stack or (None, "")
    stalled, over = Cause.STALLED, Cause.TIME_LIMIT
    return msgspec.structs.replace(
        verdict,
        stack=stack if verdict.cause is stalled and place == job else "",
        late=verdict.cause is over and _began_late(runner, grant, job),
    )


def place(runner: Runner, job: int) -> str:
    """Return where a job was when its runner was asked, in a few words for a sentence.

    A stack ends with the main thread, whose innermost call comes first.
    """
    asked, stack = runner.stack or (None, "")
    lines = stack.strip().rpartition("\n\n")[2].splitlines() if asked == job else []
    calls = (line.strip() for line in lines if line.startswith("  File "))
    call = next(calls, lines[-1] if lines else "")
    return f", in {call}" if call else ""


def _began_late(runner: Runner, grant: Grant, job: int) -> bool:
    """Whether a job was begun when part of its runner's time was over.

    That was the monitor's choice, and no fault of the job's.
    """
    if runner.deadline is None:
        return False
    if runner.job == job and runner.job_since is not None:
        began = runner.job_since
    else:  # after the last heartbeat, which did not name it
        began = max(grant.at, runner.beat_at or 0.0)
    whole = runner.deadline - runner.came_at
    return began - runner.came_at > max(_LATE_S, _LATE_PART * whole)


def ran_s(runner: Runner, job: int, until: float) -> float | None:
    """Return how long a job had run, as far as heartbeats told; None if they did not."""
    if runner.job != job or runner.job_since is None:
        return None
    return max(0.0, until - runner.job_since)
