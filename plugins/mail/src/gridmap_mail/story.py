"""What a run did, as far as its mails tell of it. Pure."""

from __future__ import annotations

from collections import Counter
from functools import singledispatchmethod
from typing import Final

from gridmap import events
from gridmap.verdict import Cause

_MOST_FAILURES: Final = 20
"""Failures that a completion mail lists; the others are counted."""


class Story:
    """Counts of one run, made of its events.

    Attributes:
        name: The run's name.
        backend: Where it runs.
        began: When, seconds since the epoch.
        jobs: How many there are.
        done: How many returned.
        causes: How many ended badly for good, by cause.
        again: How many attempts ended badly and were made again.
        seconds: What the jobs that returned took together.
        nodes: Where there were runners.
        peak: Most memory a job was seen to hold, bytes.
        failures: The first that ended badly for good, a line for each.
    """

    def __init__(self, started: events.RunStarted) -> None:
        self.name = started.name
        self.backend = started.backend
        self.began = started.at
        self.jobs = 0
        self.done = 0
        self.causes: Counter[Cause] = Counter()
        self.again = 0
        self.seconds = 0.0
        self.nodes: set[str] = set()
        self.peak = 0
        self.failures: list[str] = []

    @property
    def failed(self) -> int:
        """How many jobs ended badly, those left out that the user took back."""
        return sum(self.causes.values()) - self.causes[Cause.CANCELLED]

    @singledispatchmethod
    def see(self, event: events.Event) -> None:
        """Take in an event; most change nothing."""

    @see.register
    def _queued(self, event: events.JobsQueued) -> None:
        self.jobs += event.stop - event.first

    @see.register
    def _restored(self, event: events.JobsRestored) -> None:
        self.jobs += event.jobs
        self.done += event.done

    @see.register
    def _done(self, event: events.JobsDone) -> None:
        self.done += event.stop - event.first
        self.seconds += event.seconds

    @see.register
    def _up(self, event: events.RunnerUp) -> None:
        self.nodes.add(event.node)

    @see.register
    def _vitals(self, event: events.RunnerVitals) -> None:
        self.peak = max(self.peak, event.peak_rss)

    @see.register
    def _failed(self, event: events.JobFailed) -> None:
        if event.again:
            self.again += 1
            return
        verdict = event.verdict
        self.causes[verdict.cause] += 1
        if verdict.cause is not Cause.CANCELLED and len(self.failures) < _MOST_FAILURES:
            self.failures.append(f"{verdict.job}: {verdict.summary()}")
