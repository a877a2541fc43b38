"""Slurm, as its commands let it be asked: each question with its answer, or none.

The one place where argument lists meet the run's desk, which runs them; what is done
with an answer is decided in `gridmap_slurm.scheduler`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeGuard

from gridmap.backend import NotAsked
from gridmap.programs import Answer, Reply
from gridmap_slurm import (
    environment,
    sacct,
    sbatch,
    scancel,
    scontrol,
    sinfo,
    sizes,
    squeue,
)

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
    """Asks, as the user whose process this is. Every method blocks until answered."""

    def site(self, context: RunContext) -> Site | NotAsked:
        """Return the site's configuration."""
        outcome = self._ask(scontrol.config_command(sbatch.clusters(context)), context)
        site = scontrol.parse_config(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if site is None else site

    def nodes(self, context: RunContext) -> frozenset[str] | None:
        """Return the names of all nodes, None if they could not be had."""
        outcome = self._ask(sinfo.command(sbatch.clusters(context)), context)
        return sinfo.parse(outcome.output) if _fine(outcome) else None

    def silent(self, nodes: Iterable[str], context: RunContext) -> dict[str, str]:
        """Return those of some nodes that do not answer, with their states.

        None of them does if they could not be asked about: that is no observation.
        """
        argv = sinfo.state_command(nodes, sbatch.clusters(context))
        outcome = self._ask(argv, context)
        return sinfo.parse_silent(outcome.output) if _fine(outcome) else {}

    def shapes(self, context: RunContext) -> tuple[sizes.Shape, ...]:
        """Return what the partitions' nodes have; nothing if they could not be had."""
        outcome = self._ask(sizes.command(sbatch.clusters(context)), context)
        return sizes.parse(outcome.output) if _fine(outcome) else ()

    def submit(self, rendered: Rendered, context: RunContext) -> Reply:
        """Call sbatch; what came of it is not a simple matter."""
        return context.desk.run(
            rendered.command,
            environment.for_submission(os.environ),
            SUBMIT_TIMEOUT_S,
            where=_where(context),
            text=rendered.script or "",
        )

    def queue(
        self, context: RunContext, *, fresh: bool = True
    ) -> dict[Handle, squeue.Row] | NotAsked:
        """Return the user's jobs, waiting, running and lately ended.

        All of his runs share the answer: it costs the controller the same as one about
        a few ids, of which it would send all the same (only a single id is cheaper).

        Args:
            context: The run.
            fresh: Whether squeue has to begin now; else what the errand says counts.
        """
        outcome = context.desk.look(
            squeue.command(os.getuid(), sbatch.clusters(context)),
            environment.for_queries(os.environ),
            QUERY_TIMEOUT_S,
            where=_where(context),
            sound=squeue.is_sound,
            fresh=fresh,
        )
        rows = squeue.parse(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if rows is None else rows

    def records(
        self, job: str, context: RunContext
    ) -> dict[Handle, JobRecord] | NotAsked:
        """Return what the controller remembers of a job and its tasks."""
        outcome = self._ask(
            scontrol.job_command(job, sbatch.clusters(context)), context
        )
        if not _fine(outcome):
            return _senseless(outcome)
        return scontrol.parse_jobs(outcome.output)

    def accounts(
        self, jobs: Iterable[str], context: RunContext
    ) -> dict[Handle, Account] | NotAsked:
        """Return what accounting knows of these jobs and their tasks."""
        outcome = self._ask(sacct.command(jobs, sbatch.clusters(context)), context)
        accounts = sacct.parse(outcome.output) if _fine(outcome) else None
        return _senseless(outcome) if accounts is None else accounts

    def cancel(self, handles: Iterable[Handle], context: RunContext) -> NotAsked | None:
        """End these runners; return what went wrong, if anything did."""
        return self._tell(scancel.command(handles, sbatch.clusters(context)), context)

    def requeue(self, handle: Handle, context: RunContext) -> NotAsked | None:
        """Put a runner back into the queue; return what went wrong, if anything did."""
        argv = scontrol.requeue_command(handle, sbatch.clusters(context))
        return self._tell(argv, context)

    def hasten(self, handle: Handle, context: RunContext) -> NotAsked | None:
        """Let a requeued runner start; return what went wrong, if anything did."""
        argv = scontrol.hasten_command(handle, sbatch.clusters(context))
        return self._tell(argv, context)

    def _tell(self, argv: Sequence[str], context: RunContext) -> NotAsked | None:
        outcome = self._ask(argv, context)
        return None if _fine(outcome) else _senseless(outcome)

    @staticmethod
    def _ask(argv: Sequence[str], context: RunContext) -> Reply:
        environ = environment.for_queries(os.environ)
        return context.desk.run(argv, environ, QUERY_TIMEOUT_S, where=_where(context))


def _where(context: RunContext) -> str:
    """Return what tells this cluster from others the user may have."""
    named = [os.environ.get(name, "") for name in environment.CONNECTION]
    return " ".join([*sbatch.clusters(context), *named])


def _fine(outcome: Reply) -> TypeGuard[Answer]:
    return isinstance(outcome, Answer) and outcome.status == 0


def _senseless(outcome: Reply) -> NotAsked:
    if not isinstance(outcome, Answer):
        return NotAsked(text=outcome.text)
    if outcome.status != 0:
        return NotAsked(text=outcome.words)
    said = " ".join(outcome.output.split())[:200]
    return NotAsked(text=f"the answer makes no sense: {said!r}")
