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
from gridmap.programs import NoAnswer, Reply
from gridmap_toyq import commands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridmap.backend import (
        Attachment,
        Autopsies,
        Batch,
        Handles,
        Kills,
        Observation,
        RunContext,
        Seen,
        Submission,
    )


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
        if batch.resources.gpus:
            no = Rejected(transient=False, text="toyq knows no graphics processors")
            return dict.fromkeys(batch.runners, no)
        done = _run(commands.submit(batch, context), context, **batch.environment)
        if not done.ok:  # that the program could not be run at all may pass
            transient = isinstance(done, NoAnswer)
            refusal = Rejected(transient=transient, text=done.words)
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
    def gridmap_observe(self, handles: Handles, context: RunContext) -> Observation:
        """Look at all of them with one command, or with another run's answer."""
        if not handles:
            return Observed(seen={})
        shown = _show(context)
        if isinstance(shown, NotAsked):
            return shown
        return Observed.among(shown, handles)

    @hookimpl
    def gridmap_postmortem(self, handles: Handles, context: RunContext) -> Autopsies:
        """Tell how those that are over ended; say nothing of the others."""
        shown = _show(context) if handles else {}
        if isinstance(shown, NotAsked):
            return {}
        found = {h: commands.autopsy(shown[h]) for h in handles if h in shown}
        return {handle: one for handle, one in found.items() if one is not None}

    # -- so much for watching --

    # -- ending --
    @hookimpl
    def gridmap_kill(self, handles: Handles, context: RunContext) -> Kills:
        """End them with one command."""
        if not handles:
            return {}
        done = _run(commands.kill(handles), context)
        if not done.ok:
            return dict.fromkeys(handles, Killed.FAILED)
        return commands.parse_killed(done.output, handles)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Attachment:
        """Find the run's living runners by the comment they were submitted with."""
        done = _run(("toyq", "list", f"--comment={context.token}"), context)
        shown = commands.parse_shown(done.output) if done.ok else None
        if shown is None:
            return NotAsked(text=done.words)
        return {h: s for h, s in shown.items() if s.state is not SeenState.ENDED}

    # -- so much for ending --


# -- running --
def _show(context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
    """Ask about all the user's tasks: one answer for all of his runs."""
    reply = context.desk.look(commands.SHOW, sound=commands.is_sound)
    shown = commands.parse_shown(reply.output) if reply.ok else None
    return NotAsked(text=reply.words) if shown is None else shown


def _run(command: Sequence[str], context: RunContext, **environment: str) -> Reply:
    """Run a command that is this run's alone."""
    return context.desk.run(command, {**os.environ, **environment})


# -- so much for running --
