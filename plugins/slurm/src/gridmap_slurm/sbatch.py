r"""A batch as one call of sbatch, and what sbatch answers. Pure.

What sbatch made of these options was seen with 22.05.8; see also sbatch(1).

* ``--time`` counts minutes: it is rounded up.
* ``--mem`` is one number for two things, what is set aside for the job and, where the
  site enforces it, the amount at which the job is ended. It gets the larger of
  `Resources.memory` and `Resources.memory_limit`, so that no runner is ended below
  what it was promised.
* ``--gres=gpu:N`` works with every select plugin; ``--gpus`` wants cons_tres.
* In ``--output``, ``%%`` is a percent sign, and a backslash anywhere would switch the
  replacement of ``%A`` and ``%a`` off.
* ``--comment`` carries the run's token and the batch's first runner, by which a
  submission is found again when sbatch got no answer from the controller.
* ``--chdir`` to a directory the node does not have is no error: the script starts in
  ``/tmp``, and says so in its log.
* A script with the line end ``\r\n`` anywhere in it is refused.
"""

from __future__ import annotations

import re
import shlex
import signal
from typing import TYPE_CHECKING, Final

from gridmap.backend import Handle, Rejected, Rendered
from gridmap.errors import InvalidRequestError, InvalidResourceError
from gridmap_slurm import nodes as node_lists
from gridmap_slurm import words
from gridmap_slurm.surroundings import DEADLINE, WARNING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.backend import Batch, RunContext
    from gridmap.resources import Resources

PROGRAM: Final = "sbatch"

FIRST_TASK: Final = 1
"""Index of an array's first task, as on Grid Engine."""

_VALUES: Final = (
    "begin",
    "constraint",
    "core_spec",
    "dependency",
    "hint",
    "licenses",
    "mail_type",
    "mail_user",
    "nice",
    "prefer",
    "priority",
    "qos",
    "reservation",
    "threads_per_core",
    "tmp",
    "wckey",
)
"""Options of `Resources.options` handed on under their own name."""
_OWN_WAY: Final = ("array_limit", "exclusive", "gres", "signal")
"""Options that are checked or changed on the way."""
GRID_ENGINE: Final = frozenset({"par_env"})
"""Words that GridMap's callers always send along; ignored without a warning."""
OPTIONS: Final = frozenset((*_VALUES, *_OWN_WAY))
"""What may stand in `Resources.options`."""

_FORBIDDEN: Final = ("array", "help", "test-only", "usage", "version", "wait", "wrap")
"""Raw options that would make it another submission than core believes."""
_FORBIDDEN_SHORT: Final = ("-a", "-h", "-V", "-W")

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNAL: Final = re.compile(r"(?:[BR]+:)?(?:SIG)?([A-Z0-9]+)(@\d+)?")
_TRUE: Final = frozenset({"1", "true", "yes"})
_FALSE: Final = frozenset({"0", "false", "no"})

GRIDMAPS_QUEUE: Final = "all.q"
"""Grid Engine's own queue, which scripts written for GridMap name as a matter of
course: no partition is called that, so it asks for none."""


def comment(batch: Batch, context: RunContext) -> str:
    """Return what marks this batch in the queue, unique within all runs."""
    return f"{mark(context)}{batch.runners[0]}"


def mark(context: RunContext) -> str:
    """Return how the comment of each batch of this run begins."""
    return f"gridmap:{context.token}:"


def build(
    batch: Batch, context: RunContext, known: frozenset[str] | None = None
) -> Rendered:
    """Return the submission of a batch: one sbatch, the script on its standard input.

    Args:
        batch: The runners.
        context: Their run.
        known: All nodes of the cluster, None if they are not known; needed for a white
            list of more than one node.

    Raises:
        InvalidResourceError: If something asked for cannot be said to Slurm.
        InvalidRequestError: If a path, a variable or an argument cannot.
    """
    resources = batch.resources
    command = [
        PROGRAM,
        "--parsable",
        *clusters(context),
        f"--job-name={batch.name}",
        f"--comment={comment(batch, context)}",
        *_array(batch),
        f"--output={_log_pattern(batch, context)}",
        "--open-mode=append",
        f"--chdir={_one_line('directory', batch.directory)}",
        "--export=ALL",
        "--requeue",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={resources.cores}",
        *_limits(resources),
        *_place(batch, known),
        *_options(resources),
        *_native(resources),
    ]
    return Rendered(command=tuple(command), script=_script(batch))


def clusters(context: RunContext) -> tuple[str, ...]:
    """Return the option that names the cluster, if the settings name one."""
    name = context.options.get("clusters")
    return (f"--clusters={_one_line('clusters', str(name))}",) if name else ()


def unknown_options(resources: Resources) -> list[str]:
    """Return the names in `Resources.options` that mean nothing here, in order."""
    names = (name for name, _ in resources.options)
    return [name for name in names if _word(name) not in OPTIONS | GRID_ENGINE]


def handles(job: str, batch: Batch) -> dict[int, Handle]:
    """Return the handle of each runner of a batch that became the job *job*."""
    if len(batch.runners) == 1:
        return {batch.runners[0]: Handle(job)}
    tasks = enumerate(batch.runners, FIRST_TASK)
    return {runner: Handle(job, str(task)) for task, runner in tasks}


def parse_submitted(output: str) -> str | None:
    """Return the id of the job that sbatch made, None if there is none.

    Args:
        output: What ``sbatch --parsable`` printed: ``7`` or ``7;cluster``, perhaps
            after lines that the site's own wrapper or plugin put there.
    """
    for line in reversed(output.splitlines()):
        if match := re.fullmatch(r"(\d+)(;[^\s;]*)?", line.strip()):
            return match[1]
    return None


def refusal(text: str) -> Rejected:
    """Return what sbatch's complaint means: whether to try again, and its words.

    Args:
        text: What it wrote to standard error.
    """
    lines = [line.strip().removeprefix("sbatch: ") for line in text.splitlines()]
    said = "; ".join(line.removeprefix("error: ") for line in lines if line)
    return Rejected(transient=words.transient(text), text=said or "sbatch failed")


def _array(batch: Batch) -> tuple[str, ...]:
    if len(batch.runners) == 1:
        return ()  # works where the site has no arrays, too
    last = FIRST_TASK + len(batch.runners) - 1
    limit = batch.resources.option("array_limit")
    if limit is None:
        return (f"--array={FIRST_TASK}-{last}",)
    if not limit.isascii() or not limit.isdigit() or int(limit) < 1:
        msg = f"array_limit={limit!r} must be a whole number of at least 1"
        raise InvalidResourceError(msg)
    return (f"--array={FIRST_TASK}-{last}%{int(limit)}",)


def _log_pattern(batch: Batch, context: RunContext) -> str:
    directory = _one_line("log directory", str(context.logs))
    if "\\" in directory:
        msg = f"Slurm cannot write logs below a path with a backslash: {directory!r}"
        raise InvalidRequestError(msg)
    name = "%j.log" if len(batch.runners) == 1 else "%A.%a.log"
    return f"{directory.replace('%', '%%')}/{name}"


def _limits(resources: Resources) -> list[str]:
    options = []
    if resources.walltime is not None:
        options.append(f"--time={_clock(_minutes(resources.walltime))}")
    amounts = (resources.memory, resources.memory_limit)
    if memory := max((amount for amount in amounts if amount), default=None):
        options.append(f"--mem={-(-memory // 1024)}K")
    if resources.queue not in (None, GRIDMAPS_QUEUE):
        options.append(f"--partition={_text('queue', resources.queue)}")
    if resources.account is not None:
        options.append(f"--account={_text('account', resources.account)}")
    return options


def _minutes(seconds: int) -> int:
    return -(-seconds // 60)


def _clock(minutes: int) -> str:
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02}:{minute:02}:00" if days else f"{hour:02}:{minute:02}:00"


def _place(batch: Batch, known: frozenset[str] | None) -> list[str]:
    placement = node_lists.place(batch.resources.nodes, batch.avoid, known)
    if placement.only is not None:
        return [f"--nodelist={placement.only}"]
    return [f"--exclude={placement.exclude}"] if placement.exclude else []


def _options(resources: Resources) -> list[str]:
    given = {_word(name): _text(name, value) for name, value in resources.options}
    options = [
        f"--{name.replace('_', '-')}={given[name]}" for name in _VALUES if name in given
    ]
    if gres := _gres(resources.gpus, given.get("gres")):
        options.append(f"--gres={gres}")
    if (exclusive := given.get("exclusive")) and exclusive.lower() not in _FALSE:
        plain = exclusive.lower() in _TRUE
        options.append("--exclusive" if plain else f"--exclusive={exclusive}")
    if warning := given.get("signal"):
        _signal_number(warning)  # or it raises
        # B: the script itself, which by then is the runner.
        options.append(f"--signal={warning if ':' in warning else f'B:{warning}'}")
    return options


def _gres(gpus: int, given: str | None) -> str:
    items = [item for item in (given or "").split(",") if item]
    named = any(item.partition(":")[0] == "gpu" for item in items)
    if gpus and not named:
        items.insert(0, f"gpu:{gpus}")
    return ",".join(items)


def _signal_number(text: str) -> int:
    match = _SIGNAL.fullmatch(text)
    try:
        if match is not None:
            name = match[1]
            return int(name) if name.isdigit() else signal.Signals[f"SIG{name}"].value
    except KeyError:
        pass
    msg = f"signal={text!r} is not a signal with a time, such as 'USR2@90'"
    raise InvalidResourceError(msg)


def _seconds(signal_option: str) -> int:
    """Return how long before the end a signal comes; by default 60 s, sbatch(1)."""
    return int(signal_option.partition("@")[2] or 60)


def _native(resources: Resources) -> Iterable[str]:
    for text in resources.native:
        try:
            parts = shlex.split(text)
        except ValueError as error:
            msg = f"native={text!r} cannot be split into options: {error}"
            raise InvalidResourceError(msg) from error
        for part in parts:
            if _forbidden(part):
                msg = f"native={text!r}: {part} is not for users to set here"
                raise InvalidResourceError(msg)
        yield from parts


def _forbidden(part: str) -> bool:
    if not part.startswith("--"):
        return part.startswith(_FORBIDDEN_SHORT)
    name = part[2:].partition("=")[0]
    # sbatch takes any beginning of a name that leaves no doubt.
    return len(name) > 1 and any(option.startswith(name) for option in _FORBIDDEN)


def _script(batch: Batch) -> str:
    lines = ["#!/bin/sh"]
    if batch.resources.walltime is not None:
        # Before PATH is changed below. The clock is the node's own, as the runner's is.
        seconds = 60 * _minutes(batch.resources.walltime)
        lines.append(f"export {DEADLINE}=$(($(date +%s) + {seconds}))")
    if warning := batch.resources.option("signal"):
        lines.append(f"export {WARNING}={_signal_number(warning)}@{_seconds(warning)}")
    odd = []
    for name, value in batch.environment.items():
        if _VARIABLE.fullmatch(name):
            lines.append(f"export {name}={_quote(value)}")
        elif not name or "=" in name:
            msg = f"{name!r} cannot be the name of a variable"
            raise InvalidRequestError(msg)
        else:  # such as bash's functions, BASH_FUNC_f%%
            odd.append(_quote(f"{name}={value}"))
    command = [_quote(part) for part in batch.command]
    lines.append(" ".join(["exec", *(["env", *odd] if odd else []), *command]))
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Quote for the shell, without the line end that sbatch refuses."""
    if "\0" in text:
        msg = f"{text!r} holds a zero byte, which no process can be given"
        raise InvalidRequestError(msg)
    return shlex.quote(text).replace("\r\n", "\r'\"\"'\n")


def _word(name: str) -> str:
    return name.replace("-", "_")


def _text(name: str, value: str) -> str:
    """Check a value that Slurm reads; it cannot be quoted for it."""
    if not value or not value.isprintable() or any(c in value for c in "\"'`\\;"):
        msg = f"{name}={value!r} cannot be given to Slurm: a plain text is expected"
        raise InvalidResourceError(msg)
    return value


def _one_line(name: str, value: str) -> str:
    if not value or any(ord(char) < 32 for char in value):  # noqa: PLR2004
        msg = (
            f"{name}={value!r} cannot be given to Slurm: a text of one line is expected"
        )
        raise InvalidRequestError(msg)
    return value
