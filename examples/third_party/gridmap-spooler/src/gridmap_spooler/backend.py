"""The hooks. They run commands and hand answers on; all knowledge is in `commands`."""

import os
from collections.abc import Mapping

import gridmap.backend as gm
from gridmap.backend import RunContext as Context
from gridmap.hookspecs import hookimpl
from gridmap_spooler import commands

ENDED = gm.SeenState.ENDED


class SpoolerBackend:
    """Drives task-spooler for one run; its verbs are called from one thread."""

    @hookimpl
    def gridmap_capabilities(self, context: Context) -> gm.Capabilities:
        """Say what task-spooler can do here."""
        host, slots = gm.Reach.HOST, _slots(context)
        return gm.Capabilities(reach=host, largest_fleet=slots, accounting=True)

    @hookimpl
    def gridmap_render(self, batch: gm.Batch, context: Context) -> gm.Rendered:
        """Show the command that queues the first runner."""
        first = gm.Handle(context.token, str(batch.runners[0]))
        return gm.Rendered(command=commands.submit(batch, first, context))

    @hookimpl
    def gridmap_submit(self, batch: gm.Batch, context: Context) -> gm.Submission:
        """Queue the runners, one by one."""
        if refusal := commands.refusal(batch, _slots(context)):
            rejected = gm.Rejected(transient=False, text=refusal)
            return dict.fromkeys(batch.runners, rejected)
        return {number: _queue(batch, number, context) for number in batch.runners}

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> gm.Identity:
        """Say, in the runner, which one it is."""
        job, _, task = environ.get("SPOOLER_RUNNER", "").partition(".")
        handle = gm.Handle(job, task) if task else None
        date = environ.get("SPOOLER_DEADLINE")
        return gm.Identity(handle=handle, deadline=float(date) if date else None)

    @hookimpl
    def gridmap_observe(self, handles: gm.Handles, context: Context) -> gm.Observation:
        """Look at all of them with one command, or with another run's answer."""
        shown = _show(context)
        if isinstance(shown, gm.NotAsked):
            return shown
        seen = {handle: gm.Seen(state=state) for handle, (_, state) in shown.items()}
        return gm.Observed.among(seen, handles)

    @hookimpl
    def gridmap_postmortem(self, handles: gm.Handles, context: Context) -> gm.Autopsies:
        """Tell how those that are over ended; say nothing of the others."""
        shown = _show(context)
        if isinstance(shown, gm.NotAsked):
            return {}
        over = [handle for handle in handles & set(shown) if shown[handle][1] is ENDED]
        told = {h: context.desk.run(("tsp", "-i", shown[h][0])).output for h in over}
        found = {handle: commands.parse_story(text) for handle, text in told.items()}
        return {handle: autopsy for handle, autopsy in found.items() if autopsy}

    @hookimpl
    def gridmap_kill(self, handles: gm.Handles, context: Context) -> gm.Kills:
        """Take what waits out of the queue, and end what runs."""
        shown = _show(context, fresh=True)
        if isinstance(shown, gm.NotAsked):
            return dict.fromkeys(handles, gm.Killed.FAILED)
        return {h: _kill(*shown.get(h, ("", ENDED)), context) for h in handles}

    @hookimpl
    def gridmap_attach(self, context: Context) -> gm.Attachment:
        """Find the run's living runners: the token is in their labels."""
        shown = _show(context)
        if isinstance(shown, gm.NotAsked):
            return shown
        ours = {h: state for h, (_, state) in shown.items() if h.job == context.token}
        return {h: gm.Seen(state=state) for h, state in ours.items() if state != ENDED}


def _queue(batch: gm.Batch, number: int, context: Context) -> gm.Handle | gm.Rejected:
    handle = gm.Handle(context.token, str(number))
    environ = {**os.environ, **batch.environment, "SPOOLER_RUNNER": str(handle)}
    reply = context.desk.run(commands.submit(batch, handle, context), environ)
    return handle if reply.ok else gm.Rejected(transient=True, text=reply.words)


def _kill(number: str, state: gm.SeenState, context: Context) -> gm.Killed:
    if state is ENDED:  # or nobody knows it
        return gm.Killed.GONE
    # It may have begun since. What neither takes is over: the next look tells.
    done = any(context.desk.run(("tsp", way, number)).ok for way in ("-r", "-k"))
    return gm.Killed.KILLED if done else gm.Killed.FAILED


def _slots(context: Context) -> int:
    words = context.desk.run(("tsp", "-S")).output.strip()
    return int(words) if words.isdigit() else 1


def _show(context: Context, *, fresh: bool = False) -> commands.Shown | gm.NotAsked:
    server = os.environ.get("TS_SOCKET", "")  # the question is the same for all runs
    reply = context.desk.look(("tsp", "-l"), where=server, fresh=fresh)
    shown = commands.parse_shown(reply.output)
    return gm.NotAsked(text=reply.words) if shown is None else shown
