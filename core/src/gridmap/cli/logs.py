"""``gridmap logs``: what a run's jobs print, afterwards or as it happens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from gridmap.cli.watching import RunName, records_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.control.register import Entry
    from gridmap.overview import Overview

_PAUSE_S: Final = 0.25
_CHUNK: Final = 2**16


@click.command("logs", short_help="Show what a run's jobs print, live too.")
@click.argument("run", required=False, type=RunName())
@click.argument("job", required=False, type=click.IntRange(0))
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("-n", "--lines", type=click.IntRange(0), help="Only the last so many.")
@records_option
def command(
    *,
    run: str | None,
    job: int | None,
    follow: bool,
    lines: int | None,
    records: str | None,
) -> None:
    """Show what the jobs of a run print.

    A runner has one log, in which its jobs follow each other. RUN alone shows the logs
    of all runners, each line behind its runner's name; with JOB, the log of the runner
    that had this job last, or what is known of its end if the log is gone: logs of runs
    that went well are not kept, unless the setting keep_logs says so.
    """
    from gridmap.cli import text, watching  # noqa: PLC0415 - see gridmap.cli

    entry = watching.find(run, records)
    view = watching.look(entry)
    handle = _handle(view, job) if job is not None else None
    folder = Path(view.directory) / "logs"
    tails = Tails(folder, handle)
    shown = False
    for line in tails.first(lines):
        shown = True
        click.echo(line)
    if follow and not entry.over:
        _follow(entry, tails)
        return
    for line in tails.rest():
        shown = True
        click.echo(line)
    if shown:
        return
    if job is not None and job in view.failures:
        text.paragraph(view.failures[job].verdict.explain())
    else:
        text.complain(f"gridmap: {_nothing(view, folder, over=entry.over)}")


def _handle(view: Overview, job: int) -> str:
    """Return the handle of the runner that had a job last."""
    from gridmap.errors import InvalidRequestError  # noqa: PLC0415 - see gridmap.cli

    if job >= view.total:
        msg = f"run {view.name} has no job {job}; it has {view.total:,}"
        raise InvalidRequestError(msg)
    failure = view.failures.get(job)
    number = view.job(job).runner
    runner = view.runners.get(number) if number is not None else None
    if runner is not None:
        return runner.handle
    if failure is not None and failure.verdict.runner:
        return failure.verdict.runner
    msg = f"job {job} of run {view.name} was given to no runner yet"
    raise InvalidRequestError(msg)


def _nothing(view: Overview, folder: Path, *, over: bool) -> str:
    if folder.is_dir():
        return "nothing was printed" if over else "nothing was printed yet"
    return (
        f"the logs of run {view.name} were not kept: those of runs that go well are "
        "not, unless the setting keep_logs is always"
    )


class Tails:
    """The logs of a run's runners, read on as they grow.

    They stay open: those of a run that went well are taken away at its end, and what
    was written last would be lost.

    Args:
        folder: Where they are.
        handle: The one runner whose log is meant; None: those of all.
    """

    def __init__(self, folder: Path, handle: str | None) -> None:
        self._folder, self._handle = folder, handle
        self._streams: dict[Path, BinaryIO] = {}
        self._rest: dict[Path, bytes] = {}

    def first(self, lines: int | None) -> list[str]:
        """Return what is there, the last lines of each log if so many are given."""
        found: list[str] = []
        for path in self._paths():
            new = list(self._new(path))
            found += new if lines is None else new[max(0, len(new) - lines) :]
        return found

    def more(self) -> Iterator[str]:
        """Yield the lines that were written since."""
        for path in dict.fromkeys([*self._streams, *self._paths()]):
            yield from self._new(path)

    def rest(self) -> Iterator[str]:
        """Yield what was written and has no end of line."""
        for path, rest in self._rest.items():
            if rest:
                yield self._line(path, rest)

    def _paths(self) -> list[Path]:
        pattern = "*.log" if self._handle is None else f"{self._handle}.log"
        try:
            return sorted(self._folder.glob(pattern))
        except OSError:
            return []

    def _new(self, path: Path) -> Iterator[str]:
        try:
            stream = self._streams.get(path)
            if stream is None:
                stream = self._streams[path] = path.open("rb")
            while data := stream.read(_CHUNK):
                *lines, rest = (self._rest.pop(path, b"") + data).split(b"\n")
                self._rest[path] = rest
                yield from (self._line(path, line) for line in lines)
        except OSError:
            return

    def _line(self, path: Path, line: bytes) -> str:
        text = line.decode("utf-8", "replace").rstrip("\r")
        text = "".join(
            c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}"
            for c in text
        )
        return text if self._handle is not None else f"{path.stem}: {text}"


def _follow(entry: Entry, tails: Tails) -> None:
    """Print what is written until the run is over."""
    from gridmap.control.client import Control  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import RunError  # noqa: PLC0415

    try:
        control = Control(entry.record.token)
    except RunError:  # it ended just now, or goes on on another host
        control = None
    going = True
    while going:
        going = _goes_on(control, entry)
        for line in tails.more():
            click.echo(line)
        time.sleep(_PAUSE_S * going)
    for line in tails.rest():
        click.echo(line)


def _goes_on(control: object, entry: Entry) -> bool:
    from gridmap.control.client import Control  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import RunError  # noqa: PLC0415

    if not isinstance(control, Control):
        return False
    try:
        return control.look().ended is None and not entry.record.driver.gone()
    except RunError:
        return False
