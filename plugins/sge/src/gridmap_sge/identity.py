"""Who a runner is, from what Grid Engine puts into its environment. Light.

``JOB_ID``, ``SGE_TASK_ID`` (``undefined`` for a job that is no array), ``NSLOTS`` and
``SGE_JOB_SPOOL_DIR`` are there, 8.1.9; the time limit is not, so the submission adds it
(`array.WALLTIME_VARIABLE`). The execution daemon counts from when it wrote the job's
``config``, which is world-readable.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gridmap.backend import Coming, Handle, Identity, Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTIFY_VARIABLE: Final = "GRIDMAP_SGE_NOTIFY"
"""Set for runners that are warned by signals before they are ended."""
SOFT_LIMIT_VARIABLE: Final = "GRIDMAP_SGE_SOFT_LIMIT"
"""Set for runners that are warned by SIGUSR1 when their ``s_rt`` is over."""
WALLTIME_VARIABLE: Final = "GRIDMAP_SGE_WALLTIME"
"""Seconds a runner may live, where they were asked for."""

WARNINGS: Final = {
    int(signal.SIGUSR1): Notice(
        coming=Coming.PREEMPTION, text="the scheduler is about to suspend it"
    ),
    int(signal.SIGUSR2): Notice(
        coming=Coming.END, text="the scheduler is about to end it", stay=True
    ),
}
"""What ``-notify`` sends, queue_conf(5).

A runner that ended itself after SIGUSR2 would be ``failed 0``, exit status 1, in
accounting, whoever had deleted it (seen, 8.1.9); so it stays until it is killed."""


SOFT_LIMIT: Final = {
    int(signal.SIGUSR1): Notice(
        coming=Coming.TIME_LIMIT, text="its soft time limit is over"
    )
}
"""What ``s_rt`` sends, queue_conf(5). With ``-notify`` as well nobody can tell the two
apart, and it is taken for the suspension. That the runner is ended ``notify`` after it,
as the manual says, was not seen with 8.1.9: it ran on."""


def identify(environ: Mapping[str, str]) -> Identity | None:
    """Return who a runner is, None if Grid Engine did not start it."""
    job, task = environ.get("JOB_ID", ""), environ.get("SGE_TASK_ID", "")
    if not job.isdecimal() or not task:
        return None
    slots = environ.get("NSLOTS", "")
    return Identity(
        handle=Handle(job, task if task.isdecimal() else None),
        deadline=_deadline(environ),
        warnings=_warnings(environ),
        slots=int(slots) if slots.isdecimal() else None,
    )


def _warnings(environ: Mapping[str, str]) -> dict[int, Notice]:
    soft = SOFT_LIMIT if environ.get(SOFT_LIMIT_VARIABLE) else {}
    return {**soft, **(WARNINGS if environ.get(NOTIFY_VARIABLE) else {})}


def _deadline(environ: Mapping[str, str]) -> float | None:
    walltime = environ.get(WALLTIME_VARIABLE, "")
    if not walltime.isdecimal():
        return None
    try:
        started = (Path(environ["SGE_JOB_SPOOL_DIR"]) / "config").stat().st_mtime
    except (KeyError, OSError):
        started = datetime.now(UTC).timestamp()
    return started + int(walltime)
