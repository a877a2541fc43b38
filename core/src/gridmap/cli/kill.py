"""``gridmap kill``: end a run, or some of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import json_option
from gridmap.cli.watching import JobSpan, RunName, records_option

if TYPE_CHECKING:
    from gridmap.control.register import Entry
    from gridmap.overview import Overview


@click.command("kill", short_help="End a run, or some of its jobs.")
@click.argument("run", type=RunName())
@click.argument("jobs", nargs=-1, type=JobSpan())
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@records_option
@json_option
def command(
    *,
    run: str,
    jobs: tuple[tuple[int, int], ...],
    yes: bool,
    records: str | None,
    as_json: bool,
) -> None:
    """End a run that goes on, or only some of its jobs: 17, or 20-29.

    The script of a run that is killed gets a RunKilledError, with what was finished,
    and its runners are gone a moment later. A job that is killed ends with the verdict
    "cancelled" and is not run again; that stops a map that does not keep exceptions.

    Has to be called on the host of the script, by the same user; `gridmap status` tells
    which that is.
    """
    from gridmap.cli import text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control.client import Control  # noqa: PLC0415
    from gridmap.errors import InvalidRequestError  # noqa: PLC0415

    entry = watching.find_alone(run, records)
    if entry.over:
        raise InvalidRequestError(_over(entry))
    spans = " ".join(_span(first, stop) for first, stop in jobs)
    words = f"kill {entry.short} {spans}".rstrip()
    with Control(entry.record.token, entry.record.driver, words) as control:
        view = control.look().overview()
        count = _counted(view, jobs)
        if jobs and not count:
            msg = f"job {spans} of run {view.name} is over already: nothing to kill"
            raise InvalidRequestError(msg)
        if not yes:
            click.confirm(_question(view, count, whole=not jobs), abort=True, err=True)
        if jobs:
            control.kill_jobs(jobs)
        else:
            control.kill_run()
    if as_json:
        text.as_json({"run": entry.name, "killed_jobs": count, "whole": not jobs})
    elif jobs:
        text.paragraph(f"{_count(count)} of run {view.name} will end now.")
    else:
        text.paragraph(f"Run {view.name} will end now, and its runners with it.")


def _span(first: int, stop: int) -> str:
    return str(first) if stop == first + 1 else f"{first}-{stop - 1}"


def _over(entry: Entry) -> str:
    if entry.record.ended is not None:
        return f"run {entry.record.name} is over: there is nothing to kill"
    advice = "its runners end by themselves"
    if (name := entry.resume_name) is not None:
        advice = f"end its runners with gridmap forget {name!r}"
    return (
        f"the process that drove run {entry.record.name} is dead: there is nothing to "
        f"kill; {advice}"
    )


def _counted(view: Overview, spans: tuple[tuple[int, int], ...]) -> int:
    """Return how many jobs are meant that are not over yet."""
    from gridmap.errors import InvalidRequestError  # noqa: PLC0415 - see gridmap.cli
    from gridmap.lifecycle import JobState  # noqa: PLC0415

    beyond = [first for first, stop in spans if stop > view.total]
    if beyond:
        msg = f"run {view.name} has jobs 0 to {view.total - 1:,}, and no {beyond[0]}"
        raise InvalidRequestError(msg)
    spans = spans or ((0, view.total),)
    open_states = [state for state in JobState if not state.final]
    count = sum(
        view.states.count(state, first, stop)
        for state in open_states
        for first, stop in spans
    )
    return int(count)


def _question(view: Overview, count: int, *, whole: bool) -> str:
    if not whole:
        return f"Kill {_count(count)} of run {view.name}?"
    return f"Kill run {view.name} with {_count(count)} that are not over?"


def _count(count: int) -> str:
    return f"{count:,} job" + "s" * (count != 1)
