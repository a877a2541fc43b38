"""The hooks. They run commands and hand answers on; all knowledge is in `commands`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gridmap.backend import (
    Capabilities,
    Handle,
    Identity,
    Killed,
    NotAsked,
    Observed,
    Reach,
    Rejected,
    Rendered,
    SeenState,
)
from gridmap.hookspecs import hookimpl
from gridmap.programs import Answer, NoAnswer, Reply
from gridmap_toyq import commands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridmap.backend import (
        Autopsy,
        Batch,
        Observation,
        RunContext,
        Seen,
        Submission,
    )

TIMEOUT_S = 30.0


class ToyBackend:
    """Drives toyq for one run; its verbs are called from one thread."""

    # -- starting --
    @hookimpl
    def gridmap_capabilities(self) -> Capabilities:
        """Say what the scheduler can do here."""
        return Capabilities(
            reach=Reach.HOST,  # it starts runners on this machine; a cluster: NETWORK
            largest_array=1000,
            largest_fleet=os.cpu_count(),
            accounting=True,
        )

    @hookimpl
    def gridmap_render(self, batch: Batch, context: RunContext) -> Rendered:
        """Show the command that `gridmap_submit` runs."""
        return Rendered(command=commands.submit(batch, context))

    @hookimpl
    def gridmap_submit(self, batch: Batch, context: RunContext) -> Submission:
        """Submit the batch as one array."""
        done = _run(commands.submit(batch, context), context, **batch.environment)
        if isinstance(done, NoAnswer):  # the program could not be run at all
            refusal = Rejected(transient=True, text=done.text)
            return dict.fromkeys(batch.runners, refusal)
        if done.status != 0:
            refusal = Rejected(transient=False, text=done.words)
            return dict.fromkeys(batch.runners, refusal)
        handles = commands.parse_submitted(done.output, batch)
        if handles is None:
            text = f"toyq printed no job number: {done.words}"
            return dict.fromkeys(batch.runners, Rejected(transient=False, text=text))
        return {**handles}

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> Identity | None:
        """Say, on the node, which runner this is."""
        job, task = environ.get("TOYQ_JOB"), environ.get("TOYQ_TASK")
        if not job or not task:
            return None
        deadline = environ.get("TOYQ_DEADLINE")
        return Identity(
            handle=Handle(job, task), deadline=float(deadline) if deadline else None
        )

    # -- so much for starting --

    # -- watching --
    @hookimpl
    def gridmap_observe(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Observation:
        """Look at all of them with one command, or with another run's answer."""
        if not handles:
            return Observed(seen={})
        shown = _show(context)
        if isinstance(shown, NotAsked):
            return shown
        seen = {handle: shown[handle] for handle in handles if handle in shown}
        return Observed(seen=seen, absent=handles - set(seen))

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Autopsy]:
        """Tell how those that are over ended; say nothing of the others."""
        shown = _show(context) if handles else {}
        if isinstance(shown, NotAsked):
            return {}
        found = {h: commands.autopsy(shown[h]) for h in handles if h in shown}
        return {handle: one for handle, one in found.items() if one is not None}

    # -- so much for watching --

    # -- ending --
    @hookimpl
    def gridmap_kill(
        self, handles: frozenset[Handle], context: RunContext
    ) -> Mapping[Handle, Killed]:
        """End them with one command."""
        if not handles:
            return {}
        done = _run(commands.kill(handles), context)
        if isinstance(done, NoAnswer) or done.status != 0:
            return dict.fromkeys(handles, Killed.FAILED)
        return commands.parse_killed(done.output, handles)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
        """Find the run's living runners by the comment they were submitted with."""
        done = _run(("toyq", "list", f"--comment={context.token}"), context)
        if isinstance(done, NoAnswer) or not commands.is_sound(done):
            return NotAsked(text=done.words)
        shown = commands.parse_shown(done.output) or {}
        return {h: s for h, s in shown.items() if s.state is not SeenState.ENDED}

    # -- so much for ending --


# -- running --
def _show(context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
    """Ask about all the user's tasks: one answer for all of his runs."""
    outcome = context.desk.look(
        commands.SHOW, os.environ, TIMEOUT_S, sound=commands.is_sound
    )
    if not isinstance(outcome, Answer) or not commands.is_sound(outcome):
        return NotAsked(text=outcome.words)
    return commands.parse_shown(outcome.output) or {}


def _run(command: Sequence[str], context: RunContext, **environment: str) -> Reply:
    """Run a command that is this run's alone."""
    environ = {**os.environ, **environment}
    return context.desk.run(command, environ, TIMEOUT_S)


# -- so much for running --
