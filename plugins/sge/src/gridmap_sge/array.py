"""One submission: an array of runners, alike in everything but their number. Pure.

Every submission is an array, also of one, so that every handle is ``JOB.TASK`` and the
log file's name, which the scheduler makes, is the handle's.

Facts, from 8.1.9 by experiment, that decide its form:

* DRMAA cuts off the value of a job's environment variable at a second ``=``, and
  ``qsub -v`` splits it at commas. env(1) in front of the program has neither fault.
* Arguments and directories may hold anything but line breaks, where they are cut off.
* In the path of a log, ``$`` begins a variable, and qsub splits it at commas; blanks,
  quotes and, behind a leading colon, colons do no harm.
* ``-ac`` variables are shown by ``qstat -j`` as long as the job exists.

Where that does not do, a line of shell stands in for it: it goes to the directory, opens
the log and becomes the program, and holds no line break itself.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import attrs

from gridmap_sge import native
from gridmap_sge.identity import (
    NOTIFY_VARIABLE,
    SOFT_LIMIT_VARIABLE,
    WALLTIME_VARIABLE,
)

if TYPE_CHECKING:
    from gridmap.backend import Batch, RunContext

RUN_VARIABLE: Final = "GRIDMAP_RUN"
"""Variable of the job's context that holds the run's token."""
FIRST_VARIABLE: Final = "GRIDMAP_FIRST"
"""Variable of the job's context that holds the number of the batch's first runner."""

_ENV: Final = "/usr/bin/env"
_SOFT_LIMIT: Final = re.compile(r"(?:^|,)s_rt=")
_BREAK: Final = re.compile(r"[\n\r]")
_PRELUDE: Final = r"n=$(printf '\n_'); n=${n%_}; r=$(printf '\r');"
"""A shell that is only POSIX's has no other way to write these characters."""


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
    options = native.options(
        resources, batch.avoid, context.options, validation=validation
    )
    if any(_SOFT_LIMIT.search(option) for option in options):
        environment[SOFT_LIMIT_VARIABLE] = "1"
    if native.enabled("notify", resources, context.options, default=False):
        environment[NOTIFY_VARIABLE] = "1"
    if resources.walltime is not None:
        environment[WALLTIME_VARIABLE] = str(resources.walltime)
    command = batch.command
    if environment:
        settings = [f"{name}={value}" for name, value in sorted(environment.items())]
        command = (_ENV, *settings, *command)
    directory, log = batch.directory, str(context.logs / "$JOB_ID.$TASK_ID.log")
    if _is_odd(command, batch.directory, str(context.logs)):
        script = _script(command, batch.directory, str(context.logs))
        command, directory, log = ("/bin/sh", "-c", script), "/", "/dev/null"
    marks = f"{RUN_VARIABLE}={context.token},{FIRST_VARIABLE}={batch.runners[0]}"
    return Array(
        name=batch.name,
        tasks=len(batch.runners),
        program=command[0],
        arguments=command[1:],
        directory=directory,
        log=log,
        options=(*options, "-ac", marks),
    )


def _is_odd(command: tuple[str, ...], directory: str, logs: str) -> bool:
    """Return whether Grid Engine would not hand something on as it is."""
    broken = any(_BREAK.search(text) for text in (*command, directory, logs))
    return broken or "$" in directory or "$" in logs or "," in logs


def _script(command: tuple[str, ...], directory: str, logs: str) -> str:
    """Return one line of shell that does what Grid Engine cannot do with such texts."""
    log = f'{_quote(logs)}/"$JOB_ID.$SGE_TASK_ID.log"'
    words = " ".join(_quote(word) for word in command)
    return (
        f"{_PRELUDE} exec >>{log} 2>&1 </dev/null && cd {_quote(directory)} && "
        f"exec {words}"
    )


def _quote(text: str) -> str:
    """Return a word of shell, on one line, that stands for *text*."""
    parts = re.split(r"([\n\r])", text)
    names = {"\n": '"$n"', "\r": '"$r"'}
    return (
        "".join(names.get(part) or shlex.quote(part) for part in parts if part) or "''"
    )
