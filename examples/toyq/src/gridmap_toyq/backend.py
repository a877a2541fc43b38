"""The hooks. They run commands and hand answers on; all knowledge is in `commands`."""

from __future__ import annotations

import os
import subprocess
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
        done = _run(commands.submit(batch, context), batch.environment)
        if isinstance(done, str):  # the program could not be run at all
            return dict.fromkeys(batch.runners, Rejected(transient=True, text=done))
        if done.returncode != 0:
            refusal = Rejected(transient=False, text=done.stderr.strip() or "no reason")
            return dict.fromkeys(batch.runners, refusal)
        handles = commands.parse_submitted(done.stdout, batch)
        if handles is None:
            text = f"toyq printed no job number: {done.stdout!r}"
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
    def gridmap_observe(self, handles: frozenset[Handle]) -> Observation:
        """Look at all of them with one command."""
        if not handles:
            return Observed(seen={})
        shown = _ask(commands.show(handles))
        if isinstance(shown, NotAsked):
            return shown
        seen = {handle: shown[handle] for handle in handles if handle in shown}
        return Observed(seen=seen, absent=handles - set(seen))

    @hookimpl
    def gridmap_postmortem(
        self, handles: frozenset[Handle]
    ) -> Mapping[Handle, Autopsy]:
        """Tell how those that are over ended; say nothing of the others."""
        shown = _ask(commands.show(handles)) if handles else {}
        if isinstance(shown, NotAsked):
            return {}
        found = {h: commands.autopsy(shown[h]) for h in handles if h in shown}
        return {handle: one for handle, one in found.items() if one is not None}

    # -- so much for watching --

    # -- ending --
    @hookimpl
    def gridmap_kill(self, handles: frozenset[Handle]) -> Mapping[Handle, Killed]:
        """End them with one command."""
        if not handles:
            return {}
        done = _run(commands.kill(handles))
        if isinstance(done, str) or done.returncode != 0:
            return dict.fromkeys(handles, Killed.FAILED)
        return commands.parse_killed(done.stdout, handles)

    @hookimpl
    def gridmap_attach(self, context: RunContext) -> Mapping[Handle, Seen] | NotAsked:
        """Find the run's living runners by the comment they were submitted with."""
        shown = _ask(("toyq", "list", f"--comment={context.token}"))
        if isinstance(shown, NotAsked):
            return shown
        return {h: s for h, s in shown.items() if s.state is not SeenState.ENDED}

    # -- so much for ending --


# -- running --
def _ask(command: Sequence[str]) -> Mapping[Handle, Seen] | NotAsked:
    done = _run(command)
    if isinstance(done, str):
        return NotAsked(text=done)
    if done.returncode != 0:
        return NotAsked(text=done.stderr.strip())
    shown = commands.parse_shown(done.stdout)
    if shown is None:
        return NotAsked(text=f"toyq printed what makes no sense: {done.stdout[:200]!r}")
    return shown


def _run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str] | str:
    """Run one of the scheduler's commands; return why it could not be, as a text."""
    try:
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return f"{command[0]} could not be run: {error}"


# -- so much for running --
