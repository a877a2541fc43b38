"""``gridmap demo``: a small map, to see in seconds that everything works."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import backend_option, json_option

if TYPE_CHECKING:
    from typing import Any

    from gridmap.cli.rollcall import RollCall

CALLS: Final = 20
PAUSE_S: Final = 0.1


def work(number: int) -> tuple[int, str, int]:
    """Take a moment, and say what came out and where it was.

    Returns:
        The number's square, the node and the process.
    """
    time.sleep(PAUSE_S)
    return number * number, os.uname().nodename, os.getpid()


@click.command("demo", short_help="Run a small map and show what it did.")
@backend_option
@click.option(
    "--calls",
    type=click.IntRange(1, 10_000),
    default=CALLS,
    show_default=True,
    help="How many calls, of a tenth of a second each.",
)
@click.option("--max-workers", type=click.IntRange(1), help="Runners at most.")
@json_option
def command(
    *, backend: str | None, calls: int, max_workers: int | None, as_json: bool
) -> int:
    """Run a small map and show what it did: the quickest proof that all is well.

    On a cluster this waits until the scheduler starts a runner. Ctrl-C ends the map
    and takes its runners out of the queue.
    """
    from gridmap.api import grid_map  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli import text  # noqa: PLC0415
    from gridmap.cli.choice import choose  # noqa: PLC0415
    from gridmap.cli.rollcall import RollCall  # noqa: PLC0415
    from gridmap.display import make_progress  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415

    choice = choose(backend, *load_settings())
    name = choice.backend.info.name
    if not as_json:
        text.paragraph(f"{calls} calls of {PAUSE_S} s on backend {name}: {choice.why}")
    observers, finish = make_progress(
        sys.stderr.isatty() and not as_json, calls, name="demo"
    )
    roll = RollCall(time.monotonic, [function for _, function in observers])
    try:
        answers = grid_map(
            work,
            range(calls),
            name="demo",
            backend=name,
            max_workers=max_workers,
            progress=roll,
        )
    finally:
        finish()
    roll.end()
    wrong = [n for n, (square, *_) in enumerate(answers) if square != n * n]
    (_print_json if as_json else _print)(name, answers, wrong, roll)
    return 1 if wrong else 0


def _print(name: str, answers: list[Any], wrong: list[int], roll: RollCall) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    del name
    rows = [
        (row.handle, row.node, str(row.jobs), f"{row.seconds:.2f} s")
        for row in roll.rows()
    ]
    click.echo()
    text.table(("Runner", "Node", "Calls", "Busy"), rows)
    click.echo()
    if wrong:
        text.paragraph(f"Wrong results: those of calls {wrong}.", style="bad")
    else:
        text.paragraph(f"All {len(answers)} results are right.", style="good")
    text.paragraph(_summary(roll))


def _summary(roll: RollCall) -> str:
    rows = roll.rows()
    nodes = {row.node for row in rows}
    busy = sum(row.seconds for row in rows)
    return (
        f"{roll.total_s:.1f} s in all, {roll.first_s:.1f} s of it until the first "
        f"runner answered; {_count(len(rows), 'runner')} on "
        f"{_count(len(nodes), 'node')} did {busy:.1f} s of work."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print_json(
    name: str, answers: list[Any], wrong: list[int], roll: RollCall
) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    text.as_json(
        {
            "backend": name,
            "calls": len(answers),
            "wrong": wrong,
            "seconds": round(roll.total_s, 3),
            "seconds_until_first_runner": round(roll.first_s, 3),
            "runners": [
                {
                    "runner": row.handle,
                    "node": row.node,
                    "calls": row.jobs,
                    "busy_seconds": round(row.seconds, 3),
                }
                for row in roll.rows()
            ],
        }
    )
