"""What the environment of a job on a node tells a runner of itself. Pure.

Called on nodes, in the runner: this module imports nothing but values.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Final

from gridmap.backend import Coming, Handle, Identity, Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE: Final = "GRIDMAP_SLURM_DEADLINE"
"""Variable of a runner: when its time limit ends it, seconds since the epoch."""
WARNING: Final = "GRIDMAP_SLURM_WARNING"
"""Variable of a runner: number of the signal that was asked for with ``signal``, and
how many seconds before its end, ``12@90``."""

_ENDED_BY_TERM: Final = Notice(
    coming=Coming.END,
    text="with that Slurm begins to end a job, for its time limit, by preemption or scancel",
)
"""The controller has made up its mind by then, and remembers it: seen with 22.05.8, a
runner that ended itself was requeued, or CANCELLED, as any other."""
_EARLY_S: Final = 60 + 15
"""How much earlier than asked for the signal may come, sbatch(1), and clocks differ."""
_EARLIEST: Final = 1_000_000_000.0
"""September 2001: a deadline before it is no time at all."""


def identify(environ: Mapping[str, str]) -> Identity | None:
    """Return who a runner is, None if it is no Slurm job.

    Args:
        environ: The job's environment. ``SLURM_JOB_ID`` is a task's own number, which
            nobody asks for: within an array its array's id and index count.
    """
    job = environ.get("SLURM_ARRAY_JOB_ID") or environ.get("SLURM_JOB_ID")
    if not job:
        return None
    task = environ.get("SLURM_ARRAY_TASK_ID") or None
    if "SLURM_ARRAY_JOB_ID" not in environ:
        task = None
    return Identity(
        handle=Handle(job, task),
        deadline=_deadline(environ),
        warnings=_warnings(environ),
        slots=_slots(environ),
    )


def _deadline(environ: Mapping[str, str]) -> float | None:
    # Slurm sets the first one since 23.02; the script sets the other one.
    for name in ("SLURM_JOB_END_TIME", DEADLINE):
        try:
            deadline = float(environ.get(name, ""))
        except ValueError:
            continue
        if _EARLIEST < deadline < float("inf"):
            return deadline
    return None


def _warnings(environ: Mapping[str, str]) -> dict[int, Notice]:
    warnings = {int(signal.SIGTERM): _ENDED_BY_TERM}
    if match := re.fullmatch(r"(\d+)@(\d+)", environ.get(WARNING, "")):
        # It also announces a preemption, at the beginning of its GraceTime, where the
        # site has SlurmctldParameters=preempt_send_user_signal (22.05; later releases
        # call it PreemptParameters=send_user_signal).
        warnings[int(match[1])] = Notice(
            coming=Coming.TIME_LIMIT,
            text="its time is over soon",
            within_s=float(match[2]) + _EARLY_S,
        )
    return warnings


def _slots(environ: Mapping[str, str]) -> int | None:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if match := re.match(r"\d+", environ.get(name, "")):
            return int(match[0]) or None
    return None
