"""Decides of what a run's user is told by mail, and has it sent."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from gridmap.events import JobFailed, JobsDone, RunEnded, RunnerVitals
from gridmap.settings import Settings
from gridmap.verdict import Cause
from gridmap_mail import letters, reports
from gridmap_mail.limiter import Limiter
from gridmap_mail.sender import Sender
from gridmap_mail.story import Story
from gridmap_mail.vitals import Vitals

if TYPE_CHECKING:
    from gridmap.events import Event, RunStarted
    from gridmap_mail.letters import Letter

_log = logging.getLogger(__name__)

PATIENCE_S: Final = 8.0
"""What the end of a run waits for its mails; core waits 10 s for its observers."""

_NAMED: Final = 3
_LOG_BYTES: Final = 256 * 1024
_INTERRUPTED: Final = ("KeyboardInterrupt", "SystemExit", "GeneratorExit")


class _Limits:
    """How many mails this process sent in the last hour, over all its runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = Limiter()
        self._ends = Limiter()

    def failure(self, per_hour: int) -> bool:
        with self._lock:
            return self._failures.admits(per_hour, time.monotonic())

    def end(self, per_hour: int) -> bool:
        """Ends of runs have a share of their own: many failures do not hide them."""
        with self._lock:
            return self._ends.admits(per_hour, time.monotonic())


_limits = _Limits()


class Correspondent:
    """One run's mail. Its methods are called in the run's observer thread."""

    def __init__(self, started: RunStarted) -> None:
        values: dict[str, Any] = dict(started.settings)
        self._settings = Settings(**values)
        self._completion = started.completion_mail
        self._story = Story(started)
        self._vitals = Vitals()
        self._sender = Sender(self._settings)
        self._untold: Counter[Cause] = Counter()
        self._plots = self._settings.create_plots and self._settings.send_error_mail

    def see(self, event: Event) -> None:
        """Take in an event of the run; at its end, wait for the mails for a while."""
        self._story.see(event)
        if isinstance(event, RunnerVitals):
            if self._plots:
                self._vitals.beat(event)
        elif isinstance(event, JobsDone):
            self._vitals.done(event)
        elif isinstance(event, JobFailed):
            self._failed(event)
        elif isinstance(event, RunEnded):
            self._ended(event)

    def _failed(self, event: JobFailed) -> None:
        series = self._vitals.take(event.job)
        verdict = event.verdict
        if event.again or verdict.cause is Cause.CANCELLED:
            return
        settings = self._settings
        if not settings.send_error_mail:
            return
        if not _limits.failure(settings.mails_per_hour):
            self._untold[verdict.cause] += 1
            return
        untold, self._untold = self._untold, Counter()
        letter = reports.job_failed(
            self._story,
            event,
            log=read_log(verdict.log_path) if verdict.log_path else None,
            series=series,
            plots=self._plots,
            untold=untold,
        )
        self._sender.put(letter)

    def _ended(self, event: RunEnded) -> None:
        letter = self._last_letter(event)
        if letter is not None:
            if _limits.end(max(1, self._settings.mails_per_hour)):
                self._sender.put(letter)
            else:
                _log.warning(
                    "no mail about the end of run %s: the setting mails_per_hour "
                    "allows no more",
                    self._story.name,
                )
        lost = self._sender.finish(PATIENCE_S)
        if lost:
            subjects = [letters.subject(letter) for letter, _ in lost[:_NAMED]]
            subjects += ["and others"] if len(lost) > _NAMED else []
            _log.warning(
                "not sent: %s about run %s: %s (%s)",
                letters.count(len(lost), "mail"),
                self._story.name,
                lost[-1][1],
                "; ".join(subjects),
            )

    def _last_letter(self, event: RunEnded) -> Letter | None:
        """Return what is told at the end, None if there is nothing to tell."""
        if self._completion:
            return reports.run_over(self._story, event, self._untold)
        if not self._settings.send_error_mail:
            return None
        if self._untold:
            return reports.more_failed(self._story, event, self._untold)
        broke = event.error is not None and not event.error.startswith(_INTERRUPTED)
        if broke and not self._story.causes:
            return reports.run_broke(self._story, event)
        return None


def read_log(path: str) -> tuple[bytes, str] | None:
    """Return the end of a log and what is to be said of it; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None  # it may lie on the node alone; the last lines are in the verdict
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return None
        skipped = max(0, status.st_size - _LOG_BYTES)
        data = os.pread(descriptor, _LOG_BYTES, skipped)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    whole = f"The log is attached; it lies in {path}."
    if skipped:
        whole = f"The end of the log is attached; the whole of it lies in {path}."
    return data, whole
