"""OAR's commands, and what it answers (2.5.9). Pure: texts in, values out."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any, TypeAlias

import gridmap.backend as gm

Job: TypeAlias = Mapping[str, Any]
"""What oarstat shows of a job."""

SHOW = ("oarstat", "-u", "-J")  # all of the user's jobs that are not over
TELL = ("oarstat", "-f", "-J")  # all about some jobs, those that are over too
_STATES = {
    "Waiting": "QUEUED", "toLaunch": "QUEUED", "Launching": "QUEUED", "Hold": "HELD",
    "Running": "RUNNING", "Suspended": "SUSPENDED", "Resuming": "SUSPENDED",
    "Finishing": "ENDING", "toError": "ENDING", "Terminated": "ENDED", "Error": "ENDED",
}  # fmt: skip
_ENDINGS: Mapping[str, Mapping[str, Any]] = {  # by event, the telling ones first
    "WALLTIME": {"ending": gm.Ending.SCHEDULER_LIMIT, "limit": gm.Limit.TIME},
    "BESTEFFORT_KILL": {"ending": gm.Ending.PREEMPTION},
    "FRAG_JOB_REQUEST": {"ending": gm.Ending.PERSON},
}
# OAR hands on no variable, and a quote in a path breaks its own options for these.
_START = (
    'exec >>"$1/$OAR_JOB_ID.log" 2>&1 </dev/null; cd -- "$2" || exit; shift 2; '
    "export OAR_DEADLINE=$(($(date +%s) + OAR_JOB_WALLTIME_SECONDS)); "
    'exec env "$@"'
)
_NOWHERE = ("--directory=/", "--stdout=/dev/null", "--stderr=/dev/null")


def submit(batch: gm.Batch, context: gm.RunContext) -> tuple[str, ...]:
    """Return the command that submits a batch as one array."""
    asked, name = batch.resources, f"--name={batch.name}.{context.token}"
    shape = f"/nodes=1/{context.options.get('core', 'resource_id')}={asked.cores}"
    if (walltime := asked.walltime) is not None:
        shape += f",walltime={walltime // 3600}:{walltime // 60 % 60}:{walltime % 60}"
    options = [f"--array={len(batch.runners)}", name, f"--resource={shape}", *_NOWHERE]
    options += [f"--queue={asked.queue}"] if asked.queue else []
    options += [f"--project={asked.account}"] if asked.account else []
    if banned := ", ".join(f"'{node}'" for node in sorted(batch.avoid)):
        options.append(f"--property=network_address NOT IN ({banned})")
    variables = [f"{name}={value}" for name, value in batch.environment.items()]
    start = ("/bin/sh", "-c", _START, "sh", str(context.logs), batch.directory)
    command = shlex.join((*start, *variables, *batch.command))
    return ("oarsub", *options, *asked.native, "--", command)


def parse_submitted(output: str) -> list[gm.Handle]:
    """Return the handles of an array, in order; what OAR refuses has a number < 0."""
    return [gm.Handle(job) for job in re.findall(r"(?m)^OAR_JOB_ID=(\d+)$", output)]


def parse_jobs(output: str) -> dict[gm.Handle, Job] | None:
    """Return the jobs that oarstat shows, None if it makes no sense."""
    try:
        jobs = json.loads(output or "{}")  # it prints nothing where there are none
        return {gm.Handle(job): one for job, one in jobs.items() if one["state"]}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def seen(job: Job) -> gm.Seen:
    """Return what is shown of one job."""
    state, nodes = job["state"], job.get("assigned_network_address")
    known = gm.SeenState[_STATES.get(state, "UNKNOWN")]
    node, reason = nodes[0] if nodes else None, job.get("message") or ""
    return gm.Seen(state=known, raw=state, reason=reason, node=node)


def autopsy(job: Job) -> gm.Autopsy | None:
    """Return how a job ended, None while it has not."""
    last, status = seen(job), job.get("exit_code")  # as waitpid(2) has it
    if last.state is not gm.SeenState.ENDED:
        return None
    if status is None:
        events = {one["type"]: one["description"] for one in job.get("events", ())}
        told = next((how for name, how in _ENDINGS.items() if name in events), {})
        text = f"OAR says: {'; '.join(map(': '.join, events.items()))}"
    else:
        code, text = os.waitstatus_to_exitcode(status), f"OAR says: exit_code {status}"
        itself = {"ending": gm.Ending.ITSELF, "exit_status": code}
        told = {"signal": -code} if code < 0 else itself
    return gm.Autopsy(**told, node=last.node, text=text)


def parse_killed(words: str) -> set[gm.Handle]:
    """Return the jobs that are being ended, be it since an earlier request."""
    pattern = r"job = (\d+) \.\.\.REGISTERED|frag (\d+) ; This job was already killed"
    return {gm.Handle(new or old) for new, old in re.findall(pattern, words)}
