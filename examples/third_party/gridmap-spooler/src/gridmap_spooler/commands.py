"""task-spooler's commands, and what it answers (tsp(1), 1.0.1). Pure."""

import re
from collections.abc import Mapping
from typing import TypeAlias

import gridmap.backend as gm

Shown: TypeAlias = Mapping[gm.Handle, tuple[str, gm.SeenState]]
"""The number and the state of each runner in task-spooler's list."""

SHOW = ("tsp", "-l")  # all of the user's tasks: the same question for all of his runs
_STATES = {"queued": "QUEUED", "running": "RUNNING", "finished": "ENDED"}
# Number, state, output, label; what else stands there is commands, newlines and all.
_ROW = re.compile(r"(?m)^(\d+) +(\w+) +\S+ .*? \[([0-9a-f]+)\.(\d+)\]/bin/sh ")
_STORY = re.compile(r"(?m)^Exit status: (killed by signal|died .*code) (\d+)$")

# A task has the environment of the `tsp` that queued it. On `tsp -k` its processes get
# a SIGTERM; `timeout` kills three seconds later what has not gone. timeout(1): 124 is
# the status when the time is over, and 0 seconds are no limit.
_START = (
    'exec >>"$1" 2>&1 </dev/null; cd -- "$2" || exit; seconds=$3; shift 3; '
    '[ "$seconds" = 0 ] || export SPOOLER_DEADLINE=$(($(date +%s) + seconds)); '
    'exec timeout --kill-after=3 "$seconds" "$@"'
)


def submit(
    batch: gm.Batch, handle: gm.Handle, context: gm.RunContext
) -> tuple[str, ...]:
    """Return the command that queues one runner: there are no arrays."""
    options = ("-n", "-B", "-N", str(batch.resources.cores), "-L", str(handle))
    log, seconds = str(context.logs / f"{handle}.log"), batch.resources.walltime or 0
    start = ("/bin/sh", "-c", _START, "sh", log, batch.directory, str(seconds))
    return ("tsp", *options, *start, *batch.command)


def refusal(batch: gm.Batch, slots: int) -> str:
    """Return why a batch would never run, empty if it will."""
    lacking = [name for name in ("queue", "gpus") if getattr(batch.resources, name)]
    if batch.resources.cores > slots:
        lacking.append(f"{batch.resources.cores} slots: it has {slots} (tsp -S)")
    return f"task-spooler has no {', no '.join(lacking)}" if lacking else ""


def parse_shown(output: str) -> Shown | None:
    """Return what is shown of each runner, None if this is no list."""
    shown = {
        gm.Handle(job, task): (number, gm.SeenState[_STATES.get(word, "UNKNOWN")])
        for number, word, job, task in _ROW.findall(output)
    }
    return shown if output.startswith("ID ") else None


def parse_story(output: str) -> gm.Autopsy | None:
    """Return what ``tsp -i`` tells of the end, None if it tells of none."""
    if (told := _STORY.search(output)) is None:
        return None
    text, number = f"task-spooler says: {told[0]}", int(told[2])
    if told[1] == "killed by signal":
        return gm.Autopsy(signal=number, text=text)
    if number == 124:  # noqa: PLR2004 - see above
        return gm.Autopsy(limit=gm.Limit.TIME, text=text)
    return gm.Autopsy(ending=gm.Ending.ITSELF, exit_status=number, text=text)
