"""``gridmap exec``: a shell command as the job, over inputs."""

from __future__ import annotations

import contextlib
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from gridmap.cli.parameters import backend_option, json_option, needs_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from gridmap.resources import Resources
    from gridmap.shell import Ended

_MOST_FAILED: Final = 101
_SEPARATOR: Final = ":::"
_EXAMPLES: Final = """\b
Examples:
  gridmap exec gzip -9 {} ::: a.log b.log
  ls | gridmap exec -- convert {} {.}.png
  gridmap exec --inputs seeds.txt './simulate --seed {} > out/{#}.txt'
"""


@click.command(
    "exec",
    short_help="Run a command for each of many inputs.",
    epilog=_EXAMPLES,
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--inputs", metavar="FILE", help="A file of inputs, one a line.")
@click.option("--name", default="exec", help="Name of the run.")
@click.option("--max-workers", type=click.IntRange(1), help="Runners at most.")
@click.option("--dry-run", is_flag=True, help="Print what would run; submit nothing.")
@backend_option
@needs_options
@json_option
def command(
    *,
    command: tuple[str, ...],
    inputs: str | None,
    name: str,
    max_workers: int | None,
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
    """
    from gridmap.cli.template import fill  # noqa: PLC0415 - see gridmap.cli

    words, texts = _split(command, inputs)
    calls = [fill(words, text, number) for number, text in enumerate(texts, 1)]
    if dry_run:
        _rehearse(calls, backend, resources, name, max_workers)
        return 0
    failed = 0
    with _run(calls, backend, resources, name, max_workers) as futures:
        for text, call, future in zip(texts, calls, futures, strict=True):
            failed += _tell(text, call, future, as_json=as_json)
    return min(failed, _MOST_FAILED)


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
    calls: list[list[str]],
    backend: str | None,
    resources: Resources,
    name: str,
    max_workers: int | None,
) -> Iterator[list[Future[Ended]]]:
    """Hand in all commands; by an exception, kill what runs."""
    from gridmap.executor import GridExecutor  # noqa: PLC0415 - see gridmap.cli
    from gridmap.mapping import apply_settings  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415
    from gridmap.shell import run_command  # noqa: PLC0415

    if not calls:
        yield []
        return
    with GridExecutor(
        max_workers,
        backend=backend,
        resources=apply_settings(resources, load_settings()[0]),
        name=name,
    ) as executor:
        yield [executor.submit(run_command, call) for call in calls]


def _tell(text: str, call: list[str], future: Future[Ended], *, as_json: bool) -> bool:
    """Print what came of one command; say whether it failed."""
    from gridmap.cli import text as texts  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import JobException  # noqa: PLC0415

    try:
        ended = future.result()
    except JobException as error:
        if as_json:
            _json_line({"input": text, "command": call, "error": str(error)})
        texts.complain(str(error))
        return True
    if as_json:
        _json_line(
            {
                "input": text,
                "command": call,
                "status": ended.status,
                "seconds": round(ended.seconds, 3),
                "stdout": ended.out.decode(errors="backslashreplace"),
                "stderr": ended.err.decode(errors="backslashreplace"),
            }
        )
    else:
        for stream, data in ((sys.stdout, ended.out), (sys.stderr, ended.err)):
            stream.flush()
            stream.buffer.write(data)
            stream.flush()
    return ended.status != 0


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
