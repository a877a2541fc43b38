"""One submission: an array of runners, alike in everything but their number. Pure.

Every submission is an array, also of one, so that every handle is ``JOB.TASK`` and the
log file's name, which the scheduler makes, is the handle's.

Facts, from 8.1.9 by experiment, that decide its form:

* DRMAA cuts off the value of a job's environment variable at a second ``=``, and
  ``qsub -v`` splits it at commas. env(1) in front of the program has neither fault.
* Arguments may hold anything but line breaks, where both cut them off.
* In the path of a log, ``$`` begins a variable, and qsub splits it at commas; blanks,
  quotes and, behind a leading colon, colons do no harm.
* ``-ac`` variables are shown by ``qstat -j`` as long as the job exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from gridmap.errors import InvalidResourceError
from gridmap_sge import native
from gridmap_sge.identity import NOTIFY_VARIABLE, WALLTIME_VARIABLE

if TYPE_CHECKING:
    from gridmap.backend import Batch, RunContext

RUN_VARIABLE: Final = "GRIDMAP_RUN"
"""Variable of the job's context that holds the run's token."""
FIRST_VARIABLE: Final = "GRIDMAP_FIRST"
"""Variable of the job's context that holds the number of the batch's first runner."""

_ENV: Final = "/usr/bin/env"


@attrs.frozen(kw_only=True)
class Array:
    """What is submitted.

    Attributes:
        name: The job's name.
        tasks: How many tasks, numbered from 1.
        program: What each runs.
        arguments: Its arguments.
        directory: Where it starts.
        log: Where both its streams go; the scheduler fills in job and task.
        options: All further options, as qsub's arguments.
    """

    name: str
    tasks: int
    program: str
    arguments: tuple[str, ...]
    directory: str
    log: str
    options: tuple[str, ...]

    def template(self) -> dict[str, object]:
        """Return the attributes of a DRMAA job template, by drmaa-python's names."""
        return {
            "jobName": self.name,
            "remoteCommand": self.program,
            "args": list(self.arguments),
            "workingDirectory": self.directory,
            "outputPath": f":{self.log}",
            "joinFiles": True,
            "nativeSpecification": native.specification(self.options),
        }

    def qsub(self) -> tuple[str, ...]:
        """Return the arguments of qsub that submit the same, its name included."""
        return (
            *("qsub", "-terse"),
            *self.options,
            *("-N", self.name, "-wd", self.directory),
            *("-o", f":{self.log}", "-j", "y"),
            *("-t", f"1-{self.tasks}"),
            self.program,
            *self.arguments,
        )


def build(batch: Batch, context: RunContext, *, validation: str = "e") -> Array:
    """Return the submission of a batch.

    Args:
        batch: The runners.
        context: Their run.
        validation: See `native.options`.

    Raises:
        InvalidResourceError: If something in it cannot reach the runners as it is.
    """
    resources = batch.resources
    environment = dict(batch.environment)
    if native.enabled("notify", resources, context.options, default=False):
        environment[NOTIFY_VARIABLE] = "1"
    if resources.walltime is not None:
        environment[WALLTIME_VARIABLE] = str(resources.walltime)
    command = batch.command
    if environment:
        settings = [f"{name}={value}" for name, value in sorted(environment.items())]
        command = (_ENV, *settings, *command)
    log = str(context.logs / "$JOB_ID.$TASK_ID.log")
    for text in (*command, batch.directory, log):
        if any(ord(character) < 32 for character in text):  # noqa: PLR2004 - controls
            msg = f"Grid Engine cannot hand on line breaks or control characters: {text!r}"
            raise InvalidResourceError(msg)
    if "$" in str(context.logs) or "," in str(context.logs):
        msg = f"Grid Engine cannot write logs into {context.logs}: it has '$' or ',' in it"
        raise InvalidResourceError(msg)
    options = native.options(
        resources, batch.avoid, context.options, validation=validation
    )
    marks = f"{RUN_VARIABLE}={context.token},{FIRST_VARIABLE}={batch.runners[0]}"
    return Array(
        name=batch.name,
        tasks=len(batch.runners),
        program=command[0],
        arguments=command[1:],
        directory=batch.directory,
        log=log,
        options=(*options, "-ac", marks),
    )
