"""The hooks, as a plugin author sees them.

Two pluggy managers stand behind them. The global one discovers plugins by entry
points of the group ``gridmap``: `gridmap_backends`, `gridmap_event`,
`gridmap_observer` and `gridmap_doctor` are called on it. Each run has one of its own, which holds one
backend, core's last-resort defaults, and the wrappers a site has installed: the
verbs are called on that, so no backend can answer for another.

Rules for the verbs: batches in, mappings keyed by what was asked about out. They
are synchronous and may block: core calls them in one thread of their own, one
after the other. An exception is taken for a bug in the plugin, never for news about
a runner: what the scheduler says goes into `Rejected`, `NotAsked` and
`Killed.FAILED`. Hook arguments have no defaults. A plugin may leave out arguments
it does not need.

A whole plugin::

    from gridmap.backend import Availability, BackendInfo
    from gridmap.hookspecs import hookimpl


    @hookimpl
    def gridmap_backends():
        return [
            BackendInfo(
                name="mine",
                summary="My scheduler.",
                factory="mine.backend:MyBackend",
                availability="mine.backend:available",
                interface=1,
            )
        ]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gridmap.backend import (
        Attachment,
        Autopsies,
        BackendInfo,
        Batch,
        Capabilities,
        Check,
        Handle,
        Handles,
        Identity,
        Kills,
        Observation,
        Rendered,
        Resubmitted,
        RunContext,
        Submission,
    )
    from gridmap.events import AnyEvent, Event
    from gridmap.explanation import Explanation
    from gridmap.resources import Resources
    from gridmap.retry import Decision
    from gridmap.verdict import Cause, Verdict

PROJECT: Final = "gridmap"

_spec = pluggy.HookspecMarker(PROJECT)

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks the implementation of a hook; takes pluggy's ``tryfirst``, ``trylast`` and
``wrapper``."""


class GlobalHooks:
    """Hooks called on the global manager."""

    @_spec
    def gridmap_backends(self) -> Sequence[BackendInfo]:
        """Return the backends this plugin offers. Called once; must be cheap."""
        raise NotImplementedError

    @_spec
    def gridmap_event(self, event: Event) -> None:
        """Watch what happens to jobs, runners and runs.

        Called in a thread of its own, in order, under guard: what it raises is
        logged and never reaches the run, but a slow observer sees events late.
        """
        raise NotImplementedError

    @_spec
    def gridmap_observer(
        self, settings: Mapping[str, object]
    ) -> Callable[[AnyEvent], None] | None:
        """Return who watches one run, told as `gridmap_event` is; None: nobody.

        Called in the user's thread before the run is opened, so that a plugin that is
        not wanted costs a run nothing, and one that is has a memory for each run. The
        last event it is told of is `gridmap.events.RunEnded`; what it started must be
        over when it returns from that.

        Args:
            settings: The run's settings, by name; see `gridmap.settings.Settings`.
        """
        raise NotImplementedError

    @_spec
    def gridmap_doctor(self, backend: str) -> Sequence[Check]:
        """Return checks of this machine for the backend of that name."""
        raise NotImplementedError


class RunHooks:
    """The verbs of one run, called on its own manager; the first answer counts."""

    @_spec(firstresult=True)
    def gridmap_capabilities(self, context: RunContext) -> Capabilities:
        """Return what the scheduler can do here. Called once, before anything else."""
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Return the submission of a batch as text. Pure: touches nothing.

        Called for each kind of request before anything is submitted, in the user's
        thread, so that a request that makes no sense is refused early.

        Raises:
            InvalidRequestError: If the request cannot be put to this scheduler.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Start the batch's runners with one submission if at all possible.

        Returns:
            For each of ``batch.runners`` its handle or its rejection. Partial
            success is normal. If it cannot be known whether the scheduler took
            the batch, the plugin finds out by the run's token before it answers.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_observe(self, handles: Handles, context: RunContext) -> Observation:
        """Return what the scheduler shows of these runners, with one query for all.

        Returns:
            `Observed`, in which each handle asked for is seen or absent; `NotAsked`
            if the query failed, was refused, or its output made no sense.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_explain(
        self, words: str, resources: Resources, context: RunContext
    ) -> Explanation | None:
        """Say what the scheduler's words mean for one who waits, and what to change.

        Called once for each reason that is new to the run, so it may put a question or
        two to the scheduler, through ``context.desk``: how large the largest node is.

        Args:
            words: What the backend's own `Seen.reason` or `Rejected.text` said.
            resources: What the runner asks for.
            context: The run.

        Returns:
            The explanation; None to let the scheduler's words stand for themselves.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_postmortem(
        self,
        handles: Handles,
        lives: Mapping[Handle, int],
        context: RunContext,
    ) -> Autopsies:
        """Return what accounting says of runners that are over.

        Args:
            handles: About whom.
            lives: How often each of them was started, from 1. Where a runner is
                started again in place, accounting has a record for each start: what is
                meant is the last one, which is not there yet if there are fewer
                records. There may be more, where nobody saw a start.
            context: The run.

        Returns:
            An autopsy for each handle accounting knows. Handles it does not know
            (yet) are left out: core asks again for a while, then does without.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_kill(self, handles: Handles, context: RunContext) -> Kills:
        """End these runners, queued or running. Idempotent.

        Returns:
            For each handle what became of the request.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_resubmit(
        self, handle: Handle, cause: Cause, attempt: int, context: RunContext
    ) -> Resubmitted | None:
        """Start a runner again, in place if the scheduler can do that.

        Args:
            handle: The runner that ended or is to be abandoned.
            cause: Why it is started again.
            attempt: Which start this will be, from 2.
            context: The run.

        Returns:
            Its handle now; None to let core do the default: kill it, make sure it
            is gone, submit another.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_attach(self, context: RunContext) -> Attachment:
        """Return the runners of the run ``context.token`` that still exist.

        Called on a fresh instance, in another process than the one that submitted.
        `NotAsked` if the scheduler could not be asked.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_retry(
        self, failure: Verdict, history: tuple[Verdict, ...], resources: Resources
    ) -> Decision | None:
        """Decide whether a job runs again; None leaves it to core's rule.

        Called in the monitor's thread: answer at once.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_request(self, resources: Resources, context: RunContext) -> Resources:
        """Return what runners ask the scheduler for; core's default is *resources*.

        Made to be wrapped by a site: an account that is added, memory that is capped, a
        queue that is forbidden. Called before each `gridmap_render` and
        `gridmap_submit`, for what is asked for in another attempt too; so it answers
        at once, and the same to the same.

        Args:
            resources: What the user asked for, with the settings' defaults.
            context: The run.

        Raises:
            InvalidRequestError: If this must not be asked for. The user sees the text
                as it is, before anything is submitted.
        """
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_launch(
        self, command: tuple[str, ...], resources: Resources, context: RunContext
    ) -> tuple[str, ...] | None:
        """Wrap the runner's command: a container, an environment, set-up lines."""
        raise NotImplementedError

    @_spec(firstresult=True)
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Say which runner this is, on the node, from its environment.

        The only verb called on a node, in the runner's process, on a fresh instance
        of the backend: it must import nothing heavy and start nothing.
        """
        raise NotImplementedError

    @_spec
    def gridmap_open(self, context: RunContext, begun: object) -> None:
        """Begin what takes a while and can be done before the first batch is known.

        Called at most once, before any other verb, in the user's process while the run
        is still being opened: it returns at once. A verb may be called without it.

        Args:
            context: The run.
            begun: What the backend's own function in the entry-point group
                ``gridmap.early`` returned, the backend's to close from now on; None
                if it has none, or was not named by the user.
        """
        raise NotImplementedError

    @_spec
    def gridmap_close(self, context: RunContext) -> None:
        """Let go of whatever the backend holds for the run. Called once, last."""
        raise NotImplementedError


REQUIRED: Final = (
    "gridmap_capabilities",
    "gridmap_render",
    "gridmap_submit",
    "gridmap_observe",
    "gridmap_kill",
    "gridmap_identify",
)
"""Verbs a backend has to implement itself; for the others core has a default."""
