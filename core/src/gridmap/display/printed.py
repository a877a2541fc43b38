"""What jobs print, line by line, with the job's name before each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gridmap.events import JobFailed, JobOutput, JobsDone, RunEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gridmap.events import AnyEvent

_LONGEST: Final = 4096
"""Characters of a line that waits for its end."""

_ESCAPES: Final = re.compile(
    # ECMA-48: control sequences, strings of an application, other escapes
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)


class Printed:
    """Prints what jobs print; an observer."""

    def __init__(
        self, write: Callable[[str], None], job_name: Callable[[int], str]
    ) -> None:
        self._write = write
        self._name = job_name
        self._begun: dict[int | None, str] = {}

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        match event:
            case JobOutput():
                self._printed(event)
            case JobsDone():
                self._end(
                    [j for j in self._begun if _within(j, event.first, event.stop)]
                )
            case JobFailed():
                self._end([job for job in self._begun if job == event.job])
            case RunEnded():
                self._end(list(self._begun))

    def _printed(self, event: JobOutput) -> None:
        *whole, begun = (self._begun.pop(event.job, "") + event.text).split("\n")
        for line in whole:
            self._line(event.job, line)
        if event.lost:
            if begun:
                self._line(event.job, begun)
            self._line(event.job, f"({event.lost:,} bytes more)")
        elif len(begun) > _LONGEST:
            self._line(event.job, begun)
        elif begun:
            self._begun[event.job] = begun

    def _end(self, jobs: Iterable[int | None]) -> None:
        for job in jobs:
            self._line(job, self._begun.pop(job))

    def _line(self, job: int | None, text: str) -> None:
        name = "?" if job is None else self._name(job)
        self._write(f"{name} | {shown(text)}\n")


def _within(job: int | None, first: int, stop: int) -> bool:
    return job is not None and first <= job < stop


def shown(text: str) -> str:
    """Return a line as it may go to a terminal: nothing in it moves the cursor.

    Of what a carriage return overwrites, as progress bars do, the last is left.
    """
    last = text.rstrip("\r").rsplit("\r", 1)[-1]
    plain = _ESCAPES.sub("", last).expandtabs()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in plain)
