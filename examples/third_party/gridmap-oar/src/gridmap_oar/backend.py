"""The hooks. They run commands and hand answers on; all knowledge is in `commands`."""

from collections.abc import Mapping

import gridmap.backend as gm
from gridmap.backend import RunContext as Context
from gridmap.hookspecs import hookimpl
from gridmap.programs import NoAnswer, Reply
from gridmap_oar import commands


class OarBackend:
    """Drives OAR for one run; its verbs are called from one thread."""

    @hookimpl
    def gridmap_capabilities(self) -> gm.Capabilities:
        """Say what OAR can do; what ended long ago is still in its database."""
        return gm.Capabilities(accounting=True)

    @hookimpl
    def gridmap_render(self, batch: gm.Batch, context: Context) -> gm.Rendered:
        """Show the command that `gridmap_submit` runs."""
        return gm.Rendered(command=commands.submit(batch, context))

    @hookimpl
    def gridmap_submit(self, batch: gm.Batch, context: Context) -> gm.Submission:
        """Submit the batch as one array; each runner is a job of its own to OAR."""
        if batch.resources.gpus or batch.resources.nodes:
            text = (
                "nodes and graphics processors: ask by native options (oarsub -p, -l)"
            )
            return dict.fromkeys(batch.runners, gm.Rejected(transient=False, text=text))
        reply = context.desk.run(commands.submit(batch, context))
        handles = commands.parse_submitted(reply.output)
        if len(handles) == len(batch.runners):  # even where nobody told the server yet
            return dict(zip(batch.runners, handles, strict=True))
        doubt = isinstance(reply, NoAnswer)
        refusal = gm.Rejected(transient=doubt, text=reply.words)
        return dict.fromkeys(batch.runners, refusal)

    @hookimpl
    def gridmap_identify(self, environ: Mapping[str, str]) -> gm.Identity:
        """Say, in the runner, which one it is."""
        job, date = environ.get("OAR_JOB_ID"), environ.get("OAR_DEADLINE")
        handle = gm.Handle(job) if job else None
        return gm.Identity(handle=handle, deadline=float(date) if date else None)

    @hookimpl
    def gridmap_observe(self, handles: gm.Handles, context: Context) -> gm.Observation:
        """Look at all of them with one command, or with another run's answer."""
        jobs = _parse(context.desk.look(commands.SHOW))
        if isinstance(jobs, gm.NotAsked):
            return jobs
        seen = {handle: commands.seen(job) for handle, job in jobs.items()}
        return gm.Observed.among(seen, handles)

    @hookimpl
    def gridmap_postmortem(self, handles: gm.Handles, context: Context) -> gm.Autopsies:
        """Tell how those that are over ended; say nothing of the others."""
        asked = {handle for handle in handles if handle.task is None}
        command = (*commands.TELL, *(f"-j{handle.job}" for handle in sorted(asked)))
        jobs = _parse(context.desk.run(command)) if asked else {}
        if isinstance(jobs, gm.NotAsked):
            return {}
        found = {handle: commands.autopsy(job) for handle, job in jobs.items()}
        return {handle: autopsy for handle, autopsy in found.items() if autopsy}

    @hookimpl
    def gridmap_kill(self, handles: gm.Handles, context: Context) -> gm.Kills:
        """End with one command those that are there."""
        jobs = _parse(context.desk.look(commands.SHOW, fresh=True))
        if isinstance(jobs, gm.NotAsked):
            return dict.fromkeys(handles, gm.Killed.FAILED)
        living = handles & set(jobs)
        kills = dict.fromkeys(handles - living, gm.Killed.GONE)
        kills.update(dict.fromkeys(living, gm.Killed.FAILED))
        if living:
            reply = context.desk.run(("oardel", *(h.job for h in sorted(living))))
            done = commands.parse_killed(f"{reply.output} {reply.words}") & living
            kills.update(dict.fromkeys(done, gm.Killed.KILLED))
        return kills

    @hookimpl
    def gridmap_attach(self, context: Context) -> gm.Attachment:
        """Find the run's living runners: the token is in their names."""
        jobs = _parse(context.desk.look(commands.SHOW, fresh=True))
        if isinstance(jobs, gm.NotAsked):
            return jobs
        ours = [h for h in jobs if context.token in str(jobs[h].get("name"))]
        return {handle: commands.seen(jobs[handle]) for handle in ours}


def _parse(reply: Reply) -> Mapping[gm.Handle, commands.Job] | gm.NotAsked:
    jobs = commands.parse_jobs(reply.output) if reply.ok else None
    return gm.NotAsked(text=reply.words) if jobs is None else jobs
