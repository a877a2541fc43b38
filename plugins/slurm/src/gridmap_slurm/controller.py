"""Slurm, as its commands let it be asked: each question with its answer, or none.

The one place where argument lists meet `gridmap_slurm.command`; what is done with an
answer is decided in `gridmap_slurm.backend`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeGuard

from gridmap.backend import NotAsked
from gridmap_slurm import (
    command,
    environment,
    sacct,
    sbatch,
    scancel,
    scontrol,
    sinfo,
    squeue,
    words,
)
from gridmap_slurm.command import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.backend import Handle, Rendered, RunContext
    from gridmap_slurm.sacct import Account
    from gridmap_slurm.scontrol import JobRecord, Site

QUERY_TIMEOUT_S: Final = 30.0
"""Longest wait for a query; Slurm's own limit is ``MessageTimeout``, 10 s by default."""
SUBMIT_TIMEOUT_S: Final = 90.0
"""Longest wait for sbatch, which by itself tries again while the controller is busy."""


class Controller:
    """Asks, as the user whose process this is. Every method blocks until answered.

    Args:
        run: Starts a command.
    """

    def __init__(self, run: command.Run) -> None:
        self._run = run

    def site(self, context: RunContext) -> Site | NotAsked:
        """Return the site's configuration."""
        outcome = self._ask(scontrol.config_command(sbatch.clusters(context)))
        site = scontrol.parse_config(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if site is None else site

    def nodes(self, context: RunContext) -> frozenset[str] | None:
        """Return the names of all nodes, None if they could not be had."""
        outcome = self._ask(sinfo.command(sbatch.clusters(context)))
        return sinfo.parse(outcome.output) if _fine(outcome) else None

    def silent(self, nodes: Iterable[str], context: RunContext) -> dict[str, str]:
        """Return those of some nodes that do not answer, with their states.

        None of them does if they could not be asked about: that is no observation.
        """
        outcome = self._ask(sinfo.state_command(nodes, sbatch.clusters(context)))
        return sinfo.parse_silent(outcome.output) if _fine(outcome) else {}

    def submit(self, rendered: Rendered) -> command.Outcome:
        """Call sbatch; what came of it is not a simple matter."""
        environ = environment.for_submission(os.environ)
        script = rendered.script or ""
        return self._run(rendered.command, environ, script, SUBMIT_TIMEOUT_S)

    def queue(
        self, context: RunContext, jobs: Iterable[str] = ()
    ) -> dict[Handle, squeue.Row] | NotAsked:
        """Return the user's jobs, waiting, running and lately ended.

        Args:
            context: The run.
            jobs: Only these ids; empty: all.
        """
        outcome = self._ask(squeue.command(os.getuid(), jobs, sbatch.clusters(context)))
        if jobs and isinstance(outcome, Answer) and words.no_such_job(outcome.errors):
            return {}
        rows = squeue.parse(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if rows is None else rows

    def records(
        self, job: str, context: RunContext
    ) -> dict[Handle, JobRecord] | NotAsked:
        """Return what the controller remembers of a job and its tasks."""
        outcome = self._ask(scontrol.job_command(job, sbatch.clusters(context)))
        if not _fine(outcome):
            return _senseless(outcome)
        return scontrol.parse_jobs(outcome.output)

    def accounts(
        self, jobs: Iterable[str], context: RunContext
    ) -> dict[Handle, Account] | NotAsked:
        """Return what accounting knows of these jobs and their tasks."""
        outcome = self._ask(sacct.command(jobs, sbatch.clusters(context)))
        accounts = sacct.parse(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if accounts is None else accounts

    def cancel(self, handles: Iterable[Handle], context: RunContext) -> NotAsked | None:
        """End these runners; return what went wrong, if anything did."""
        return self._tell(scancel.command(handles, sbatch.clusters(context)))

    def requeue(self, handle: Handle, context: RunContext) -> NotAsked | None:
        """Put a runner back into the queue; return what went wrong, if anything did."""
        return self._tell(scontrol.requeue_command(handle, sbatch.clusters(context)))

    def hasten(self, handle: Handle, context: RunContext) -> NotAsked | None:
        """Let a requeued runner start; return what went wrong, if anything did."""
        return self._tell(scontrol.hasten_command(handle, sbatch.clusters(context)))

    def _tell(self, argv: Sequence[str]) -> NotAsked | None:
        outcome = self._ask(argv)
        return None if _fine(outcome) else _senseless(outcome)

    def _ask(self, argv: Sequence[str]) -> command.Outcome:
        environ = environment.for_queries(os.environ)
        return self._run(argv, environ, "", QUERY_TIMEOUT_S)


def _fine(outcome: command.Outcome) -> TypeGuard[Answer]:
    return isinstance(outcome, Answer) and outcome.status == 0


def _senseless(outcome: command.Outcome) -> NotAsked:
    if not isinstance(outcome, Answer):
        return NotAsked(text=outcome.text)
    if outcome.status != 0:
        return NotAsked(text=outcome.words)
    said = " ".join(outcome.output.split())[:200]
    return NotAsked(text=f"the answer makes no sense: {said!r}")
