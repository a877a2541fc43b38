"""The hooks. Light to import: what talks to the scheduler is loaded when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.backend import Rendered
from gridmap.hookspecs import hookimpl
from gridmap_sge import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap.backend import (
        Autopsy,
        Batch,
        Capabilities,
        Handle,
        Identity,
        Killed,
        NotAsked,
        Observation,
        Resubmitted,
        RunContext,
        Seen,
        Submission,
    )
    from gridmap.explanation import Explanation
    from gridmap.resources import Resources
    from gridmap.verdict import Cause
    from gridmap_sge.scheduler import Scheduler


class GridEngineBackend:
    """Grid Engine as a backend. One instance serves one run, from one thread."""

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        self._known = scheduler

    def _scheduler(self, context: RunContext) -> Scheduler:
        if self._known is None:
            from gridmap_sge.scheduler import Scheduler  # noqa: PLC0415 - not on nodes

            self._known = Scheduler(desk=context.desk)
        return self._known

    @hookimpl
    def gridmap_capabilities(self, context: RunContext) -> Capabilities:
        """Ask the master for its limits."""
        return self._scheduler(context).capabilities()

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Return the qsub command that submits the same as DRMAA does."""
        from gridmap_sge import array  # noqa: PLC0415 - not on nodes

        return Rendered(command=array.build(batch, context).qsub())

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Submit the batch as one array."""
        return self._scheduler(context).submit(batch, context)

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        """Look with one qstat; at what waits or is cut off, with one or two more."""
        return self._scheduler(context).observe(handles)

    @hookimpl
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        """Look it up; where slots are lacking, one qstat says how many there are."""
        return self._scheduler(context).explain(words, resources)

    @hookimpl
    def gridmap_postmortem(
        self,
        handles: frozenset[Handle],
        lives: Mapping[Handle, int],
        context: RunContext,
    ) -> Mapping[Handle, Autopsy]:
        """Put together what DRMAA heard and what accounting holds."""
        return self._scheduler(context).postmortem(handles, lives)

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        """End them with one qdel."""
        return self._scheduler(context).kill(handles)

    @hookimpl
    def gridmap_resubmit(
        self, handle: Handle, cause: Cause, context: RunContext
    ) -> Resubmitted | None:
        """Reschedule it in place, if it still runs and may be."""
        return self._scheduler(context).resubmit(handle, cause)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
        """Find the run's runners by the token in their context."""
        return self._scheduler(context).attach(context.token)

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Read it out of ``JOB_ID`` and ``SGE_TASK_ID``."""
        return identity.identify(environ)

    @hookimpl
    def gridmap_close(self) -> None:
        """End the DRMAA session; jobs go on."""
        if self._known is not None:
            self._known.close()
