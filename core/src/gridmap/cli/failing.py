"""All that is known of a job that ended badly, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gridmap.overview import Failure


def tell(failure: Failure) -> None:
    """Print a verdict, with its evidence, and where the exception was raised."""
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.display.printed import shown  # noqa: PLC0415

    text.paragraph(failure.verdict.explain())
    if failure.traceback:
        click.echo("  traceback:")
        for line in failure.traceback.splitlines():
            click.echo(f"    {shown(line)}")
