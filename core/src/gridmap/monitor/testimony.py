"""What the monitor itself knows of a runner, as statements of those who told it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap.monitor import diagnosis
from gridmap.verdict import Cause, Statement, Witness, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridmap.monitor.fleet import Runner

REQUEUED: Final = Statement(
    witness=Witness.SCHEDULER,
    text="started the runner again under the same handle",
    cause=Cause.PREEMPTED,
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


def of_deadline(runner: Runner, said: Sequence[Statement]) -> list[Statement]:
    """Return what its deadline tells, where the others prove nothing.

    It is an inference, so it is drawn only where no witness knows: whoever acted has
    the last word, also on a runner whose time was nearly over.
    """
    if runner.deadline is None or runner.broke_at is None:
        return []
    if judge(said) is not Cause.LOST:
        return []
    return [diagnosis.from_deadline(runner.broke_at - runner.deadline)]


def ran_s(runner: Runner, job: int, until: float) -> float | None:
    """Return how long a job had run, as far as heartbeats told; None if they did not."""
    if runner.job != job or runner.job_since is None:
        return None
    return max(0.0, until - runner.job_since)
