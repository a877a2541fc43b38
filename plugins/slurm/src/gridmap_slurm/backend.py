"""The hooks. Light to import: what talks to the controller is loaded when it is needed."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from gridmap.hookspecs import hookimpl
from gridmap_slurm import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.backend import (
        Autopsy,
        Batch,
        Capabilities,
        Handle,
        Identity,
        Killed,
        NotAsked,
        Observation,
        Rendered,
        Resubmitted,
        RunContext,
        Seen,
        Submission,
    )
    from gridmap.explanation import Explanation
    from gridmap.resources import Resources
    from gridmap.verdict import Cause
    from gridmap_slurm.scheduler import Scheduler


class SlurmBackend:
    """Slurm as a backend. One instance serves one run, from one thread.

    Args:
        sleep: Waits; another one in tests.
        now: Tells the time; likewise.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._now = sleep, now

    @functools.cached_property
    def _scheduler(self) -> Scheduler:
        from gridmap_slurm.scheduler import Scheduler  # noqa: PLC0415 - not on nodes

        return Scheduler(self._sleep, self._now)

    @hookimpl
    def gridmap_capabilities(self, context: RunContext) -> Capabilities:
        """Ask for the site's configuration and nodes: two queries a run."""
        return self._scheduler.capabilities(context)

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Return the call of sbatch, with what is known of the nodes so far."""
        return self._scheduler.render(batch, context)

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Call sbatch once; where it got no answer, look for the batch in the queue."""
        return self._scheduler.submit(batch, context)

    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        """Ask squeue once for all of them, and of all the user's runs."""
        return self._scheduler.observe(handles, context)

    @hookimpl
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation:
        """Look it up; where a request is too large, one sinfo says how large it may be."""
        return self._scheduler.explain(words, resources, context)

    @hookimpl
    def gridmap_postmortem(
        self,
        handles: frozenset[Handle],
        lives: Mapping[Handle, int],
        context: RunContext,
    ) -> Mapping[Handle, Autopsy]:
        """Ask accounting, where there is any, and the controller for the rest."""
        return self._scheduler.postmortem(handles, lives, context)

    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        """Look who is there, then call scancel once for those who are."""
        return self._scheduler.kill(handles, context)

    @hookimpl
    def gridmap_resubmit(
        self, handle: Handle, cause: Cause, attempt: int, context: RunContext
    ) -> Resubmitted | None:
        """Requeue it under its own id, unless it should go to another node."""
        return self._scheduler.resubmit(handle, cause, attempt, context)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
        """Find the run's living runners by their comment."""
        return self._scheduler.attach(context)

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Read it from the variables of the job."""
        return surroundings.identify(environ)

    @hookimpl
    def gridmap_close(self, context: RunContext) -> None:
        """Kill what was taken although nobody said so, or twice."""
        if "_scheduler" in vars(self):
            self._scheduler.close(context)
