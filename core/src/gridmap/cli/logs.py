"""``gridmap logs``: what a run's jobs print, afterwards or as it happens."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import click

from gridmap.cli.watching import JobNumber, RunName, records_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from gridmap.control.register import Entry
    from gridmap.events import Event
    from gridmap.overview import Overview

_PAUSE_S: Final = 1.0
_CHUNK: Final = 2**16
_MOST_HEARD: Final = 100_000
_OWN_WORDS: Final = "gridmap: "
"""What a runner says itself in its log begins so."""


@click.command("logs", short_help="Show what a run's jobs print, live too.")
@click.argument("run", required=False, type=RunName())
@click.argument("job", required=False, type=JobNumber())
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("-n", "--lines", type=click.IntRange(0), help="Only the last so many.")
@records_option
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON.")
def command(
    *,
    run: str | None,
    job: int | None,
    follow: bool,
    lines: int | None,
    records: str | None,
    as_json: bool,
) -> None:
    """Show what the jobs of a run print.

    A runner has one log, in which its jobs follow each other. RUN alone shows the logs
    of all runners, each line behind its runner's name; with JOB, the log of the runner
    that had this job last, or what is known of its end if the log is gone: logs of runs
    that went well are not kept, unless the setting keep_logs says so. Where they are
    gone the exit status is 1; where nothing was printed it is 0.

    With --follow come these logs and then, within a second, what each job prints, behind
    its number; with JOB what that job prints. A line that is printed at the seam may
    come twice.

    With --json each line is an object with "runner", "job" (null: it is not known) and
    "text".
    """
    from gridmap.cli import failing, text, watching  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import RunError  # noqa: PLC0415

    entry = watching.find(run, records)
    view = watching.look(entry)
    show = _as_json if as_json else functools.partial(_show, alone=job is not None)
    if follow and not entry.over:
        _follow(entry, job, lines, records, show)
        return
    handle = _handle(view, job) if job is not None else None
    folder = Path(view.directory) / "logs"
    with Tails(folder, handle) as tails:
        shown = [*tails.first(lines), *tails.rest()]
    for line in shown:
        show(line)
    if shown:
        return
    if job is not None and job in view.failures and not as_json:
        failing.tell(view.failures[job])
    elif folder.is_dir():
        text.complain(f"gridmap: {nothing(folder, over=entry.over)}")
    else:
        raise RunError(_missing(view, folder))


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


def nothing(folder: Path, *, over: bool) -> str:
    """Return what is to be said where a log has nothing to show."""
    if not folder.is_dir():
        return "the log was not kept"
    return "nothing was printed" if over else "nothing was printed yet"


def _missing(view: Overview, folder: Path) -> str:
    if view.failures or view.error:
        return f"the logs of run {view.name} are gone: there is no {folder}"
    return (
        f"the logs of run {view.name} were not kept: those of runs that go well are "
        "taken away at their end. To have them next time, set GRIDMAP_KEEP_LOGS=always "
        'or keep_logs = "always" in gridmap.toml; gridmap logs -f shows them while a '
        "run goes on"
    )


class Line(NamedTuple):
    """A line that was printed.

    Attributes:
        text: What.
        runner: Its runner's handle; empty if a job is known.
        job: Its job; None if that is not known.
        gap: Whether it stands for what was left out, as there was too much.
    """

    text: str
    runner: str = ""
    job: int | None = None
    gap: bool = False


def _show(line: Line, *, alone: bool) -> None:
    """Print a line, behind the name of what printed it unless only one is looked at."""
    name = ""
    if not alone and (line.runner or line.job is not None):
        name = f"{line.runner}: " if line.runner else f"job {line.job}: "
    click.echo(name + plain(line.text))


def _as_json(line: Line) -> None:
    """Print a line as an object."""
    told = {"runner": line.runner or None, "job": line.job, "text": line.text}
    click.echo(json.dumps(told))


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

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the logs."""
        for stream in self._streams.values():
            stream.close()

    def first(self, lines: int | None) -> list[Line]:
        """Return what is there, the last lines of each log if so many are given."""
        found: list[Line] = []
        for path in self._paths():
            new = list(self._new(path))
            found += new if lines is None else new[max(0, len(new) - lines) :]
        return found

    def more(self) -> Iterator[Line]:
        """Yield the lines that were written since."""
        for path in dict.fromkeys([*self._streams, *self._paths()]):
            yield from self._new(path)

    def rest(self) -> Iterator[Line]:
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

    def _new(self, path: Path) -> Iterator[Line]:
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

    def _line(self, path: Path, line: bytes) -> Line:
        return Line(line.decode("utf-8", "replace").rstrip("\r"), path.stem)


class Heard:
    """Lines that came as they were printed, to tell which ones did not.

    A runner is told only after its log was read that somebody listens, and what is
    printed between the two stands in the log alone.
    """

    def __init__(self) -> None:
        self._lines: Counter[str] | None = Counter()

    def add(self, line: Line) -> None:
        """Take note of a line; of very many, or with gaps, there is no telling."""
        if self._lines is None:
            return
        self._lines[line.text.rstrip("\r")] += 1
        if line.gap or len(self._lines) > _MOST_HEARD:
            self._lines = None

    def missed(self, tails: Tails) -> Iterator[Line]:
        """Yield what the logs have got since they were read, and was not heard.

        Runners' own words are left out, which nobody sends.
        """
        if self._lines is None:
            return
        for line in (*tails.more(), *tails.rest()):
            if self._lines[line.text]:
                self._lines[line.text] -= 1
            elif not line.text.startswith(_OWN_WORDS):
                yield line


def _follow(
    entry: Entry,
    job: int | None,
    lines: int | None,
    records: str | None,
    show: Callable[[Line], None],
) -> None:
    """Print what was printed, and then what is, until the run is over."""
    from gridmap.control.client import Control  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import RunError  # noqa: PLC0415

    with Tails(Path(entry.record.directory) / "logs", None) as tails:
        try:
            with Control(entry.record.token, entry.record.driver) as control:
                # First of all: what is printed while the logs are read is in these.
                events = control.follow(output=True)
                for line in tails.first(lines) if job is None else ():
                    show(line)
                heard = Heard()
                for line in printed(events, job):
                    heard.add(line)
                    show(line)
                for line in heard.missed(tails) if job is None else ():
                    show(line)
        except RunError:  # it ended just now, or goes on on another host
            _poll(entry, tails, records, show)


def printed(events: Iterator[Event], job: int | None) -> Iterator[Line]:
    """Yield what jobs print, line by line."""
    from gridmap.events import JobOutput  # noqa: PLC0415 - see gridmap.cli

    rests: dict[tuple[int, int | None], str] = {}
    for event in events:
        if not isinstance(event, JobOutput) or job not in (None, event.job):
            continue
        key = (event.runner, event.job)
        *lines, rests[key] = (rests.pop(key, "") + event.text).split("\n")
        yield from (Line(line, job=event.job) for line in lines)
        if event.lost:
            yield Line(f"… {event.lost:,} bytes more", job=event.job, gap=True)
    yield from (Line(rest, job=of) for (_, of), rest in rests.items() if rest)


def plain(line: str) -> str:
    """Return a line without anything that a terminal would obey."""
    return "".join(
        c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line
    )


def _poll(
    entry: Entry, tails: Tails, records: str | None, show: Callable[[Line], None]
) -> None:
    """Print what is written where the run's own process cannot be asked."""
    from gridmap.cli import watching  # noqa: PLC0415 - see gridmap.cli

    over = False
    while not over:
        over = watching.find(entry.name, records).over
        for line in tails.more():
            show(line)
        time.sleep(0.0 if over else _PAUSE_S)
    for line in tails.rest():
        show(line)
