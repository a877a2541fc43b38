"""``gridmap status``: how a run stands, or one job of it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

import click

from gridmap.cli.parameters import json_option
from gridmap.cli.watching import JobNumber, RunName, records_option

if TYPE_CHECKING:
    from gridmap.control.register import Entry
    from gridmap.overview import JobView, Overview

_LABEL: Final = 13
_STYLES: Final = {"running": "strong", "done": "good", "failed": "bad", "died": "bad"}


@click.command("status", short_help="Show how a run stands, and why it waits.")
@click.argument("run", required=False, type=RunName())
@click.argument("job", required=False, type=JobNumber())
@click.option("-n", "--most", type=click.IntRange(0), default=5, help="Rows a list; 5.")
@records_option
@json_option
def command(
    *, run: str | None, job: int | None, most: int, records: str | None, as_json: bool
) -> None:
    """Show how a run stands: its jobs, its runners, why they wait, and what failed.

    RUN is its name, its id as `gridmap runs` shows it, or its directory; without it
    the newest that goes on, else the newest. With JOB, a number, that job is shown,
    and if it failed all that is known of it.
    """
    from gridmap.cli import text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control import plain  # noqa: PLC0415

    entry = watching.find(run, records)
    view = watching.look(entry)
    if job is not None:
        _one(view, job, as_json=as_json)
    elif as_json:
        text.as_json(plain.status(entry, view))
    else:
        _head(entry, view)
        _jobs(view)
        _runners(view)
        _nodes(view, most)
        _lists(view, most)


def _line(label: str, value: str, style: str = "") -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    heading = text.Cell(label.ljust(_LABEL), "faint")
    text.table((), [(heading, text.Cell(value, style))])


def _head(entry: Entry, view: Overview) -> None:
    from gridmap.cli import text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control import plain  # noqa: PLC0415

    state, driver = plain.condition(entry, view), entry.record.driver
    began = view.started or view.at
    until = _now() if state == plain.RUNNING else view.ended or view.at
    click.echo(
        f"{text.paint(view.name, 'strong')} ({entry.short}) on {view.backend}: "
        + text.paint(state, _STYLES[state])
        + f", {watching.span(max(0.0, until - began))}"
    )
    if view.error is not None:
        _line("ended by", view.error.splitlines()[0], "bad")
    who = f"process {driver.pid} on {driver.host}"
    if state == plain.DIED:
        who += f" is gone; this is how it stood at {_clock(view.at)}"
        if (name := entry.resume_name) is not None:
            who += f". Go on with it: gridmap attach {name!r}"
    _line("driven by" if state == plain.RUNNING else "was driven by", who)
    if state == plain.RUNNING and driver.elsewhere:
        told = (
            f"{_clock(view.at)}, as it was written down last; this host cannot ask it"
        )
        if driver.host != socket.gethostname():
            told += f": ssh {driver.host} gridmap status {entry.short}"
        _line("as of", told, "doubtful")
    _line("directory", view.directory)


def _jobs(view: Overview) -> None:
    from gridmap.cli import watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.lifecycle import JobState  # noqa: PLC0415

    words = (
        (JobState.DONE, "done"), (JobState.FAILED, "failed"),
        (JobState.GRANTED, "with runners"), (JobState.QUEUED, "waiting"),
        (JobState.DELAYED, "to be run again"), (JobState.CANCELLED, "taken back"),
    )  # fmt: skip
    counts = [(view.count(state), word) for state, word in words]
    parts = [f"{count:,} {word}" for count, word in counts if count]
    _line("jobs", f"{view.total:,}: {', '.join(parts) or 'none yet'}")
    rate, left = view.rate(), view.remaining_s()
    if rate:
        text = f"{rate:,.1f} jobs a second"
        _line("speed", text + (f", about {watching.span(left)} left" if left else ""))


def _runners(view: Overview) -> None:
    from gridmap.resources import format_memory  # noqa: PLC0415 - see gridmap.cli

    up = view.up
    nodes = len({runner.node for runner in up})
    waiting = sum(view.pending.values())
    parts = [f"{len(up):,} up on {nodes} node{'s' * (nodes != 1)}"] if up else []
    parts += [f"{waiting:,} waiting"] if waiting else []
    gone = sum(runner.state == "gone" for runner in view.runners.values())
    parts += [f"{gone:,} gone"] if gone else []
    _line("runners", ", ".join(parts) or "none")
    if view.rss:
        _line("memory", f"{format_memory(view.rss)} now, all runners together")
    for reason, count in view.pending.items():
        if reason:
            _line("waits for", f"{reason} ({count:,} runner{'s' * (count != 1)})")


def _nodes(view: Overview, most: int) -> None:
    """Show where and when jobs that are over ran."""
    from gridmap.cli import text, watching, where  # noqa: PLC0415 - see gridmap.cli

    nodes = where.nodes(view)
    if not nodes or not most:
        return
    took = watching.span(max(0.0, (view.ended or view.at) - (view.started or view.at)))
    click.echo()
    rows = [
        (
            one.name,
            f"{one.jobs:,}",
            f"{one.failed:,}",
            watching.span(one.busy_s),
            one.bars,
        )
        for one in nodes[:most]
    ]
    heading = f"Running, over {took}"
    text.table(("Node", "Jobs", "Failed", "Took", heading), rows)
    if len(nodes) > most:
        text.paragraph(f"… and {len(nodes) - most:,} nodes more", style="faint")


def _lists(view: Overview, most: int) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    failures = list(view.failures.values())[-most:] if most else []
    if failures:
        click.echo()
        rows = [
            (str(one.job), _clock(one.at), _after(again=one.again), _why(one.verdict))
            for one in failures
        ]
        text.table(("Job", "Failed at", "", "Why"), rows)
        total = sum(view.causes.values())
        if total > len(failures):
            kinds = ", ".join(f"{n:,} {cause}" for cause, n in view.causes.items())
            text.paragraph(f"{total:,} attempts ended badly: {kinds}", style="faint")
    if view.notices and most:
        click.echo()
        recent = list(view.notices)[-most:]
        text.table(
            ("Lately", ""), [(_clock(notice.at), notice.text) for notice in recent]
        )


def _why(verdict: object) -> str:
    from gridmap.verdict import Verdict  # noqa: PLC0415 - see gridmap.cli

    return verdict.summary() if isinstance(verdict, Verdict) else ""


def _after(*, again: bool) -> str:
    return "again" if again else "for good"


def _one(view: Overview, job: int, *, as_json: bool) -> None:
    """Show one job."""
    from gridmap.cli import failing, text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.control import plain  # noqa: PLC0415
    from gridmap.errors import InvalidRequestError  # noqa: PLC0415
    from gridmap.resources import format_memory  # noqa: PLC0415

    try:
        one = view.job(job)
    except IndexError:
        known = f"0 to {view.total - 1:,}" if view.total else "none"
        msg = f"run {view.name} has no job {job}; its jobs are {known}"
        raise InvalidRequestError(msg) from None
    runner = view.runners.get(one.runner) if one.runner is not None else None
    failure = view.failures.get(job)
    if as_json:
        found = plain.job(one, runner)
        text.as_json(found | {"failure": plain.failure(failure) if failure else None})
        return
    called = f"job {job}" + (f", {one.name}," if one.name else "")
    click.echo(f"{text.paint(called, 'strong')} of {view.name}: {_told(one)}")
    if one.seconds is not None:
        _line("took", f"about {watching.span(one.seconds)}")
    if one.ended is not None:
        at = _clock((view.started or 0.0) + one.ended)
        _line("ended", f"{at}, {watching.span(one.ended)} after the run began")
    if one.peak is not None:
        _line("memory", f"seen to hold {format_memory(one.peak)} at most")
    if runner is not None:
        _line("runner", f"{runner.handle} on {runner.node or 'a node'}, {runner.state}")
        if runner.job == job and runner.job_since is not None:
            took = max(0.0, view.at - runner.job_since)
            _line("running for", watching.span(took))
    if failure is not None:
        click.echo()
        failing.tell(failure)


def _told(one: JobView) -> str:
    word = one.state.name.lower()
    return word + (f", attempt {one.attempt}" if one.attempt > 1 else "")


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _now() -> float:
    return time.time()  # noqa: TID251 - a command's clock
