"""The scheduler's commands, and what it answers. Pure: texts in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.backend import (
    Autopsy,
    Ending,
    Handle,
    Killed,
    Limit,
    Seen,
    SeenState,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridmap.backend import Batch, RunContext
    from gridmap.programs import Answer

STATES = {"R": SeenState.RUNNING, "E": SeenState.ENDED}


def submit(batch: Batch, context: RunContext) -> tuple[str, ...]:
    """Return the command that submits a batch as one array."""
    resources = batch.resources
    options = [
        f"--count={len(batch.runners)}",
        f"--directory={batch.directory}",
        f"--logs={context.logs}",
        f"--comment={context.token}",
    ]
    if resources.queue is not None:
        options.append(f"--queue={resources.queue}")
    if resources.walltime is not None:
        options.append(f"--seconds={resources.walltime}")
    return ("toyq", "submit", *options, "--", *batch.command)


def parse_submitted(output: str, batch: Batch) -> dict[int, Handle] | None:
    """Return each runner's handle, None if the output makes no sense."""
    job = output.strip()
    if not job.isdigit():
        return None
    tasks = enumerate(batch.runners, start=1)
    return {runner: Handle(job, str(task)) for task, runner in tasks}


SHOW = ("toyq", "list")
"""Shows all of the user's tasks: a question that is the same for all of his runs."""


def is_sound(answer: Answer) -> bool:
    """Return whether this is what toyq prints when all is well."""
    return answer.status == 0 and parse_shown(answer.output) is not None


def parse_shown(output: str) -> dict[Handle, Seen] | None:
    """Return what is shown of each task, None if a line makes no sense."""
    seen = {}
    for line in output.splitlines():
        fields = line.split()
        if len(fields) != 3:  # noqa: PLR2004 - task, state, how it ended
            return None
        name, state, how = fields
        job, _, task = name.partition(".")
        if not (job.isdigit() and task.isdigit()):  # three words, and no task
            return None
        seen[Handle(job, task)] = Seen(
            state=STATES.get(state, SeenState.UNKNOWN), raw=how if how != "-" else state
        )
    return seen


def autopsy(seen: Seen) -> Autopsy | None:
    """Return what the scheduler's last word on a task proves, None while it runs."""
    if seen.state is not SeenState.ENDED:
        return None
    kind, _, number = seen.raw.partition(":")
    text = f"toyq says {seen.raw}"
    if kind == "exit":
        return Autopsy(ending=Ending.ITSELF, exit_status=int(number), text=text)
    if kind == "signal":
        return Autopsy(signal=int(number), text=text)
    if kind == "killed":
        return Autopsy(ending=Ending.PERSON, text=text)
    if kind == "time":
        return Autopsy(ending=Ending.SCHEDULER_LIMIT, limit=Limit.TIME, text=text)
    return Autopsy(text=text)  # what it does not say is not made up


def kill(handles: Iterable[Handle]) -> tuple[str, ...]:
    """Return the command that ends these tasks."""
    return ("toyq", "kill", *sorted(map(str, handles)))


def parse_killed(output: str, handles: Iterable[Handle]) -> Mapping[Handle, Killed]:
    """Return what became of each task; what is not spoken of was not killed."""
    words = dict(line.split() for line in output.splitlines() if line.count(" ") == 1)
    known = {"killed": Killed.KILLED, "gone": Killed.GONE}
    return {h: known.get(words.get(str(h), ""), Killed.FAILED) for h in handles}
