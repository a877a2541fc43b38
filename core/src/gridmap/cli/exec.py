"""``gridmap exec``: a shell command as the job, over inputs."""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from gridmap.cli.parameters import (
    backend_option,
    json_option,
    needs_options,
    speculate_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from typing import TextIO

    from gridmap.cli.again import Task
    from gridmap.cli.joblog import JobLog
    from gridmap.resources import Resources
    from gridmap.shell import Ended

_MOST_FAILED: Final = 101
_SEPARATOR: Final = ":::"
_EXAMPLES: Final = """\b
Examples:
  gridmap exec gzip -9 {} ::: a.log b.log
  ls | gridmap exec -- convert {} {.}.png
  gridmap exec --inputs seeds.txt './simulate --seed {} > out/{#}.txt'
  gridmap exec --joblog log --resume-failed --inputs seeds.txt ./simulate
  gridmap exec --joblog log --retry-failed
"""


@click.command(
    "exec",
    short_help="Run a command for each of many inputs.",
    epilog=_EXAMPLES,
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--inputs", metavar="FILE", help="A file of inputs, one a line.")
@click.option("--joblog", metavar="FILE", help="Write a line for each end here.")
@click.option("--resume", is_flag=True, help="Leave out what the job log has.")
@click.option("--resume-failed", is_flag=True, help="Likewise, but not what failed.")
@click.option("--retry-failed", is_flag=True, help="Run what failed by the job log.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Show a bar on standard error, if that is a terminal; the default there.",
)
@click.option("--name", default="exec", help="Name of the run.")
@click.option("--max-workers", type=click.IntRange(1), help="Runners at most.")
@speculate_option
@click.option("--dry-run", is_flag=True, help="Print what would run; submit nothing.")
@backend_option
@needs_options
@json_option
def command(
    *,
    command: tuple[str, ...],
    inputs: str | None,
    joblog: str | None,
    resume: bool,
    resume_failed: bool,
    retry_failed: bool,
    progress: bool | None,
    name: str,
    max_workers: int | None,
    speculate: bool | None,
    dry_run: bool,
    backend: str | None,
    as_json: bool,
    resources: Resources,
) -> int:
    """Run COMMAND once for each input, on the nodes, and print what it prints.

    Inputs are the words behind ":::", else the lines of a file, else of standard
    input. In COMMAND, {} is the input, {.} the input without its extension, {/} its
    file name, {//} its directory, {/.} its file name without extension, and {#} its
    number, from 1; without any of them the input goes to the end. A COMMAND of one
    word with spaces in it is given to a shell, with inputs quoted.

    Output comes in the order of the inputs, each job's in one piece. The exit status
    is the number of jobs that failed, 101 for more than 100, as of GNU parallel.

    With --joblog each end is a line of FILE, in the form of GNU parallel. --resume
    leaves out the commands that stand there, by their numbers, and --resume-failed
    only those that succeeded; --retry-failed takes the commands that failed from FILE.
    """
    from gridmap.cli import text as texts  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.again import Again  # noqa: PLC0415

    again = Again(joblog, resume, resume_failed, retry_failed)
    again.check(command)
    tasks = again.chosen([] if retry_failed else _tasks(command, inputs))
    if dry_run:
        _rehearse([task.call for task in tasks], backend, resources, name, max_workers)
        return 0
    if not tasks and sys.stderr.isatty():  # no error: a script's list may be empty
        texts.complain("gridmap: there are no commands to run")
    failed = 0
    with (
        again.opened(tasks) as log,
        _run(
            tasks, backend, resources, name, max_workers, speculate, progress, log
        ) as futures,
    ):
        for task, future in zip(tasks, futures, strict=True):
            failed += _tell(task, future, as_json=as_json)
    return min(failed, _MOST_FAILED)


def _tasks(command: tuple[str, ...], inputs: str | None) -> list[Task]:
    """Return all commands."""
    from gridmap.cli.again import Task  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.template import fill  # noqa: PLC0415

    words, texts = _split(command, inputs)
    return [
        Task(number, text, fill(words, text, number))
        for number, text in enumerate(texts, 1)
    ]


def _split(
    command: tuple[str, ...], path: str | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return the command and its inputs."""
    from gridmap.cli.inputs import read_lines  # noqa: PLC0415 - see gridmap.cli

    if _SEPARATOR not in command:
        return command, read_lines(path or "-")
    at = command.index(_SEPARATOR)
    if at == 0 or _SEPARATOR in command[at + 1 :]:
        msg = f"say COMMAND {_SEPARATOR} INPUT…, with one {_SEPARATOR} (there is no product of lists)"
        raise click.UsageError(msg)
    if path is not None:
        msg = f"inputs stand behind {_SEPARATOR} or in a file, not in both"
        raise click.UsageError(msg)
    return command[:at], list(command[at + 1 :])


@contextlib.contextmanager
def _run(
    tasks: list[Task],
    backend: str | None,
    resources: Resources,
    name: str,
    max_workers: int | None,
    speculate: bool | None,
    progress: bool | None,
    log: JobLog | None,
) -> Iterator[list[Future[Ended]]]:
    """Hand in all commands; by an exception, kill what runs."""
    from gridmap.display.observing import (  # noqa: PLC0415 - see gridmap.cli
        is_wanted,
        make_progress,
    )
    from gridmap.executor import GridExecutor  # noqa: PLC0415
    from gridmap.mapping import apply_settings  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415
    from gridmap.shell import run_command  # noqa: PLC0415

    if not tasks:
        yield []
        return
    settings = load_settings()[0]
    shown = is_wanted(progress, settings.progress, None)
    observers, finish = make_progress(shown, len(tasks), name=name, brief=True)
    with contextlib.ExitStack() as stack:
        stack.callback(finish)
        executor = stack.enter_context(
            GridExecutor(
                max_workers,
                backend=backend,
                resources=apply_settings(resources, settings),
                name=name,
                speculate=speculate,
                observers=observers,
            )
        )
        futures = [executor.submit(run_command, task.call) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            if log is not None:
                future.add_done_callback(functools.partial(_note, log, task))
        yield futures


def _note(log: JobLog, task: Task, future: Future[Ended]) -> None:
    """Write down the end of a command, unless it was taken back."""
    if not future.cancelled():
        ended = None if future.exception() is not None else future.result()
        log.add(task.number, task.call, ended)


def _tell(task: Task, future: Future[Ended], *, as_json: bool) -> bool:
    """Print what came of one command; say whether it failed."""
    from gridmap.cli import text as texts  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import JobException  # noqa: PLC0415

    told = {"input": task.text, "command": task.call}
    try:
        ended = future.result()
    except JobException as error:
        if as_json:
            _json_line({**told, "error": str(error)})
        texts.complain(str(error))
        return True
    if as_json:
        _json_line(
            {
                **told,
                "status": ended.status,
                "seconds": round(ended.seconds, 3),
                "node": ended.node,
                "stdout": ended.out.decode(errors="backslashreplace"),
                "stderr": ended.err.decode(errors="backslashreplace"),
            }
        )
    else:
        _write(sys.stdout, ended.out)
        _write(sys.stderr, ended.err)
    return ended.status != 0


def _write(stream: TextIO, data: bytes) -> None:
    """Write what a command printed, as it is; on a terminal above the bar."""
    from gridmap.display.screen import is_terminal  # noqa: PLC0415 - see gridmap.cli

    stream.flush()
    if is_terminal(stream):
        stream.write(data.decode(errors="replace"))
    else:
        stream.buffer.write(data)
    stream.flush()


def _json_line(value: dict[str, Any]) -> None:
    import json  # noqa: PLC0415 - see gridmap.cli

    click.echo(json.dumps(value))


def _rehearse(
    calls: list[list[str]],
    backend: str | None,
    resources: Resources,
    name: str,
    max_workers: int | None,
) -> None:
    """Print every command, and the submission."""
    from gridmap.cli.render import print_submission  # noqa: PLC0415 - see gridmap.cli

    for call in calls:
        click.echo(shlex.join(call) if call[:2] != ["/bin/sh", "-c"] else call[2])
    if calls:
        print_submission(backend, len(calls), resources, name, max_workers)
