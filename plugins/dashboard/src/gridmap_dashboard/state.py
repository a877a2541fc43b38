"""All that is known of one run, behind a lock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import attrs

from gridmap.overview import Overview
from gridmap_dashboard.past import rebuild
from gridmap_dashboard.timeline import Timeline

if TYPE_CHECKING:
    from gridmap.events import AnyEvent


@attrs.define(eq=False)
class RunState:
    """A run as its events tell it. Hold `lock` while looking at it.

    Attributes:
        overview: How it stands.
        timeline: How it came there.
        whole: Whether it was watched from its beginning; else it is made of an
            overview, which knows no retries of a job but the last.
        followed: Whether events of another process's run come in.
        lost: Why nobody tells more of it, though it did not end; empty: somebody does.
        version: Grows with every change.
        lock: Held by whoever takes in events or looks.
    """

    overview: Overview = attrs.field(factory=Overview)
    timeline: Timeline = attrs.field(factory=Timeline)
    whole: bool = True
    followed: bool = False
    lost: str = ""
    version: int = 0
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @classmethod
    def of(cls, overview: Overview) -> Self:
        """Return a run of which only its overview is known."""
        state = cls(overview=overview, whole=False)
        rebuild(state.timeline, overview)
        return state

    def take(self, event: AnyEvent) -> None:
        """Take in one event. From any thread."""
        with self.lock:
            self.overview.take(event)
            self.timeline.take(event)
            self.version += 1

    def lose(self, text: str) -> None:
        """Note that nobody will tell more of it. From any thread."""
        with self.lock:
            self.overview.ended = self.overview.at
            self.lost = text
            self.timeline.visits.clear()
            self.version += 1

    @property
    def ended(self) -> bool:
        """Whether the run is over, or nobody tells more of it."""
        return self.overview.ended is not None

    def node(self, job: int) -> str:
        """Return the node a job was given to last; empty: none, or nobody knows."""
        if node := self.timeline.node(job):
            return node
        runner = self.overview.runners.get(self.overview.holders[job])
        return runner.node if runner is not None else ""
