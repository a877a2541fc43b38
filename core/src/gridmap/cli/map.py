"""``gridmap map``: a map without writing a script."""

from __future__ import annotations

import csv
import difflib
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gridmap.cli.parameters import (
    backend_option,
    json_option,
    needs_options,
    speculate_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from gridmap.cli.inputs import Call
    from gridmap.resources import Resources

_EXAMPLES: Final = """\b
Examples:
  gridmap map model:fit --inputs grid.csv -o scores.jsonl --memory 2G
  gridmap map analysis.py:count --inputs words.txt --backend local
"""


@click.command("map", short_help="Map a function over a file's rows.", epilog=_EXAMPLES)
@click.argument("function", metavar="MODULE:FUNCTION")
@click.option(
    "--inputs", metavar="FILE", required=True, help="A .csv, .jsonl, or lines; - stdin."
)
@click.option("-o", "--output", metavar="FILE", help="A .jsonl or .csv; else stdout.")
@click.option("--name", help="Name of the run; else the function's.")
@click.option("--resume", metavar="NAME", help="Name to resume the map under.")
@click.option("--max-workers", type=click.IntRange(1), help="Runners at most.")
@speculate_option
@click.option("--dry-run", is_flag=True, help="Print the submission; submit nothing.")
@backend_option
@needs_options
@json_option
def command(
    *,
    function: str,
    inputs: str,
    output: str | None,
    name: str | None,
    resume: str | None,
    max_workers: int | None,
    speculate: bool | None,
    dry_run: bool,
    backend: str | None,
    resources: Resources,
    as_json: bool,
) -> int:
    """Call a function once for each row of a file, on the nodes; write what it returns.

    FUNCTION is looked up in MODULE, which is imported from here: a name such as
    "package.module", or a file such as "analysis.py". A .csv file has a heading, and a
    row is keyword arguments; a line of a .jsonl file is keyword arguments (an object),
    positional arguments (a list) or the one argument; in any other file a line is the
    one argument, a text.

    Each line of the output has the number of its input, and "value" or "error". The
    exit status is 1 if a call failed. With --json one object tells the counts, and the
    output's name or, if it has none, the results.
    """
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.inputs import read_calls  # noqa: PLC0415
    from gridmap.cli.render import print_submission  # noqa: PLC0415

    called = find_function(function)
    calls = read_calls(inputs)
    title = name or called.__name__
    if output is not None:
        _check_output(output)
    if dry_run:
        print_submission(backend, len(calls), resources, title, max_workers)
        return 0
    if not calls:  # no error: a script's list may be empty
        text.complain("gridmap: there are no inputs to call it with")
    results = _run(
        called, calls, title, resources, backend, max_workers, resume, speculate
    )
    rows = [_row(number, value) for number, value in enumerate(results)]
    failed = sum("error" in row for row in rows)
    if output is not None:
        with open(output, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123
            (_write_csv if output.lower().endswith(".csv") else _write_jsonl)(
                rows, stream
            )
    elif not as_json:
        _write_jsonl(rows, sys.stdout)
    if as_json:
        told = {"results": rows} if output is None else {"output": output}
        counts = {"calls": len(rows), "failed": failed}
        click.echo(json.dumps({**counts, **told}, default=_plain))
    if failed:
        text.complain(f"gridmap: {failed:,} of {len(rows):,} calls failed")
    return 1 if failed else 0


def find_function(words: str) -> Callable[..., Any]:
    """Import what ``MODULE:FUNCTION`` names.

    Raises:
        click.UsageError: If there is no such module or function.
    """
    module_name, colon, name = words.rpartition(":")
    if not colon or not module_name or not name:
        msg = f"{words!r} is not of the form MODULE:FUNCTION, such as model:fit"
        raise click.UsageError(msg)
    folder = Path.cwd()
    if module_name.endswith(".py"):
        folder, module_name = Path(module_name).resolve().parent, Path(module_name).stem
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        msg = f"the module {module_name} cannot be imported from {folder}: {error}"
        raise click.UsageError(msg) from None
    known = [one for one in vars(found) if callable(vars(found)[one])]
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = f"the module {module_name} has no function {name!r}.{hint}"
        raise click.UsageError(msg)
    return found  # type: ignore[no-any-return]


def _check_output(path: str) -> None:
    """Refuse what could not be written after hours of work, or not as it is named."""
    kind = Path(path).suffix.lower()
    if kind not in {"", ".csv", ".jsonl", ".ndjson", ".json", ".txt"}:
        msg = (
            f"the output {path} would not be what its name says: JSON lines and CSV can "
            "be written, to a file that ends in .jsonl or .csv"
        )
        raise click.UsageError(msg)
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        msg = f"the output cannot be written: there is no directory {folder}"
        raise click.UsageError(msg)


def _run(
    function: Callable[..., Any],
    calls: list[Call],
    name: str,
    resources: Resources,
    backend: str | None,
    max_workers: int | None,
    resume: str | None,
    speculate: bool | None,
) -> list[Any]:
    from gridmap.api import process_jobs  # noqa: PLC0415 - see gridmap.cli
    from gridmap.job import Job  # noqa: PLC0415

    if not calls:
        return []
    jobs = [
        Job(function, call.args, call.kwargs or None, name=name, resources=resources)
        for call in calls
    ]
    for job in jobs[1:]:
        job.environment = jobs[0].environment  # one for all, in memory too
    return process_jobs(
        jobs,
        backend=backend,
        max_workers=max_workers,
        return_exceptions=True,
        resume=resume,
        speculate=speculate,
    )


def _row(number: int, value: object) -> dict[str, Any]:
    if isinstance(value, BaseException):
        return {"input": number, "error": f"{type(value).__name__}: {value}"}
    return {"input": number, "value": value}


def _write_jsonl(rows: list[dict[str, Any]], stream: TextIO) -> None:
    stream.writelines(json.dumps(row, default=_plain) + "\n" for row in rows)


def _write_csv(rows: list[dict[str, Any]], stream: TextIO) -> None:
    values = [row.get("value") for row in rows]
    tables = [value for value in values if isinstance(value, dict)]
    columns = list(dict.fromkeys(str(key) for value in tables for key in value))
    alone = (
        []
        if tables and len(tables) == sum("value" in row for row in rows)
        else ["value"]
    )
    writer = csv.DictWriter(stream, ["input", *alone, *columns, "error"])
    writer.writeheader()
    for row, value in zip(rows, values, strict=True):
        cells = row
        if isinstance(value, dict):
            cells = {str(key): cell for key, cell in value.items()}
        writer.writerow({"input": row["input"], **cells})


def _plain(value: object) -> object:
    """Say what JSON has no word for: arrays and numbers of NumPy, else the text."""
    as_list = getattr(value, "tolist", None)
    return as_list() if callable(as_list) else str(value)
