"""Which of many commands are to be run, given a log of those that were."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gridmap.cli import joblog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridmap.cli.joblog import JobLog, Line


class Task(msgspec.Struct, frozen=True):
    """A command for one input.

    Attributes:
        number: Which it is, from 1.
        text: The input.
        call: The command.
    """

    number: int
    text: str
    call: list[str]


class Again(msgspec.Struct, frozen=True):
    """What the user said of a job log.

    Attributes:
        path: The log; None: there is none.
        resume: Whether to leave out what stands in it.
        resume_failed: Likewise, but for what failed.
        retry_failed: Whether to run what failed by it, and nothing else.
    """

    path: str | None
    resume: bool = False
    resume_failed: bool = False
    retry_failed: bool = False

    def check(self, command: Sequence[str]) -> None:
        """Refuse what makes no sense together.

        Raises:
            click.UsageError: Says what.
        """
        wanted = [self.resume, self.resume_failed, self.retry_failed]
        if sum(wanted) > 1:
            msg = "say one of --resume, --resume-failed and --retry-failed"
            raise click.UsageError(msg)
        if any(wanted) and self.path is None:
            msg = "say by which log: --joblog FILE"
            raise click.UsageError(msg)
        if self.retry_failed and command:
            msg = "--retry-failed takes commands and inputs from the job log; name none"
            raise click.UsageError(msg)
        if not self.retry_failed and not command:
            msg = "Missing argument 'COMMAND...'."
            raise click.UsageError(msg)

    def chosen(self, tasks: list[Task]) -> list[Task]:
        """Return those that are to be run.

        Raises:
            click.UsageError: If the log cannot be read.
        """
        if not any((self.resume, self.resume_failed, self.retry_failed)):
            return tasks
        lines = self._lines()
        if self.retry_failed:
            return [
                Task(line.number, "", joblog.from_line(line.command))
                for line in lines
                if line.failed
            ]
        wanted = joblog.left(len(tasks), lines, failed_too=self.resume_failed)
        return [tasks[number - 1] for number in wanted]

    def _lines(self) -> list[Line]:
        try:
            data = Path(self.path or "").read_bytes()
            return joblog.read(data.decode(errors="surrogateescape"))
        except FileNotFoundError:
            if self.retry_failed:
                msg = f"there is no job log {self.path}"
                raise click.UsageError(msg) from None
            return []
        except OSError as error:
            msg = f"the job log {self.path} cannot be read: {error.strerror}"
            raise click.UsageError(msg) from None
        except ValueError as error:
            msg = f"the job log {self.path} makes no sense: {error}"
            raise click.UsageError(msg) from None

    @contextlib.contextmanager
    def opened(self, tasks: Sequence[Task]) -> Iterator[JobLog | None]:
        """Open the log: to go on with it where something is resumed, else anew.

        Raises:
            click.UsageError: If it cannot be written, or a command cannot be a line.
        """
        if self.path is None:
            yield None
            return
        if bad := next((t.number for t in tasks if "\n" in "".join(t.call)), None):
            msg = f"command {bad} holds an end of line, and cannot be one of a job log"
            raise click.UsageError(msg)
        goes_on = self.resume or self.resume_failed or self.retry_failed
        try:
            stream = open(  # noqa: PTH123, SIM115 - closed below
                self.path,
                "a" if goes_on else "w",
                encoding="utf-8",
                errors="surrogateescape",
                newline="\n",
            )
        except OSError as error:
            msg = f"the job log {self.path} cannot be written: {error.strerror}"
            raise click.UsageError(msg) from None
        with stream:
            yield joblog.JobLog(stream)
