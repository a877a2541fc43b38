"""``gridmap doctor``: is everything here as a map needs it, and if not, what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import backend_option, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.backend import Check
    from gridmap.cli.examination import Section


@click.command("doctor", short_help="Check whether all is as a map needs it.")
@backend_option
@click.option(
    "--probe/--no-probe",
    "send",
    default=True,
    help="Send one probe runner to a node (the default), or submit nothing.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the scheduler may take to start the probe.",
)
@json_option
def command(*, backend: str | None, send: bool, wait_s: float, as_json: bool) -> int:
    """Check this machine and a node: whatever a map needs.

    First this machine is looked at; then one runner's stand-in is submitted, which looks
    round on the node that the scheduler gives it, and comes back with what it found.
    Every check that fails says what that means and what to do; the exit status is 1 if
    any did. A remark after a check that passed is no failure.

    Without --backend the one that the settings name is looked at, else that of your
    last run, else the one that a map would take.
    """
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.cli.examination import examine  # noqa: PLC0415

    def probing() -> None:
        if not as_json and sys.stderr.isatty():
            told = f"(sending a probe; the scheduler has {wait_s:g} s to start it)"
            text.complain(told)

    sections = examine(backend, wait_s if send else None, probing)
    return _print_json(sections) if as_json else _print(sections)


def _print(sections: Iterator[Section]) -> int:
    """Print each section as soon as it is there; return the exit status."""
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    checks: list[Check] = []
    for section in sections:
        if not section.checks:
            continue
        checks += section.checks
        click.echo(text.paint(section.title, "heading"))
        for check in section.checks:
            _print_check(check)
    failed = sum(not check.passed for check in checks)
    click.echo()
    if failed:
        some = "1 check" if failed == 1 else f"{failed} checks"
        text.paragraph(f"{some} of {len(checks)} failed.", style="bad")
    else:
        text.paragraph(f"All {len(checks)} checks passed.", style="good")
    return 1 if failed else 0


def _print_check(check: Check) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    mark = text.Cell("  ok", "good") if check.passed else text.Cell("FAIL", "bad")
    text.table([], [[mark, f"{check.name}: {check.found}"]])
    if check.advice:
        style = "faint" if check.passed else "doubtful"
        text.paragraph(check.advice, indent=8, style=style)


def _print_json(sections: Iterator[Section]) -> int:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    found = list(sections)
    passed = all(section.passed for section in found)
    text.as_json(
        {
            "passed": passed,
            "sections": [
                {
                    "title": section.title,
                    "passed": section.passed,
                    "checks": [
                        {
                            "name": check.name,
                            "passed": check.passed,
                            "found": check.found,
                            "advice": check.advice,
                        }
                        for check in section.checks
                    ],
                }
                for section in found
            ],
        }
    )
    return 0 if passed else 1
