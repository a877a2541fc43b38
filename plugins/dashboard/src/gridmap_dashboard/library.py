"""Which runs a dashboard shows, and how one is ended."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from gridmap.control.client import Control
from gridmap.errors import GridMapError
from gridmap.lifecycle import JobState
from gridmap_dashboard.listener import Listener
from gridmap_dashboard.state import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridmap.control.register import Entry, Register

_log = logging.getLogger(__name__)

_FRESH_S: Final = 2.0
"""The register is read again after so long; it may hold hundreds of records."""
MOST_OPEN: Final = 20
"""Runs of other processes that are kept in memory; the latest that were asked for."""


class Library:
    """The runs of one dashboard. Its methods may be called from any thread.

    Args:
        states: Runs that are told of here as they go on.
        register: Where records of the user's other runs are; None: show none.

    Attributes:
        closing: Whether nobody is to be told any more.
        unwatched: Set while nobody listens to how a run stands.
    """

    def __init__(
        self, states: Iterable[RunState] = (), register: Register | None = None
    ) -> None:
        self.closing = False
        self.unwatched = threading.Event()
        self.unwatched.set()
        self._watchers = 0
        self._live = list(states)
        self._register = register
        self._opened: dict[str, RunState] = {}
        self._lock = threading.Lock()
        self._read: tuple[float, list[Entry]] = (-_FRESH_S, [])

    def watch(self, change: int) -> None:
        """Count who listens: one more, or one less."""
        with self._lock:
            self._watchers += change
            if self._watchers:
                self.unwatched.clear()
            else:
                self.unwatched.set()

    def live(self) -> list[RunState]:
        """Return the runs whose events come here."""
        with self._lock:
            followed = [one for one in self._opened.values() if one.followed]
        return [*self._live, *followed]

    def live_run(self, token: str) -> RunState | None:
        """Return such a run by its token; None if there is none."""
        found = (state for state in self.live() if state.overview.token == token)
        return next(found, None)

    def runs(self) -> list[dict[str, Any]]:
        """Return a line of each run, the latest first."""
        here = {state.overview.token: state for state in self._live}
        lines = [_line(state.overview, over=state.ended) for state in self._live]
        lines += [
            _line(entry.record.overview(), over=entry.over)
            for entry in self._entries()
            if entry.record.token not in here
        ]
        return sorted(lines, key=lambda line: -(line["began"] or 0.0))

    def _entries(self) -> list[Entry]:
        if self._register is None:
            return []
        with self._lock:
            at, entries = self._read
            if time.monotonic() - at >= _FRESH_S:
                entries = self._register.entries()
                self._read = (time.monotonic(), entries)
            return entries

    def run(self, token: str) -> RunState | None:
        """Return any run; may read its record, so not for an event loop."""
        if (live := self.live_run(token)) is not None:
            return live
        with self._lock:
            known = self._opened.get(token)
        if known is not None and known.ended and not known.lost:
            return known
        found = (one for one in self._entries() if one.record.token == token)
        if (entry := next(found, None)) is None:
            return known
        if known is not None and known.lost and known.overview.at == entry.record.at:
            return known  # nothing has been written down since
        state = _follow(token) if not entry.over else None
        if state is None:
            state = _from_record(entry)
        with self._lock:
            self._opened.pop(token, None)
            self._opened[token] = state
            while len(self._opened) > MOST_OPEN:
                del self._opened[next(iter(self._opened))]
        return state

    def can_kill(self, state: RunState) -> bool:
        """Return whether `kill` would probably be heard."""
        return not state.ended and (state.whole or state.followed)

    def listen(self, state: RunState, job: int) -> Listener | None:
        """Return who hears what a job prints; None: it is over, or out of reach."""
        if not self.can_kill(state):
            return None
        try:
            return Listener(state.overview.token, job)
        except GridMapError as error:
            _log.info("nobody hears what job %d prints: %s", job, error)
            return None

    def kill(self, state: RunState, job: int | None) -> None:
        """End a job, or all of a run if it is None.

        Raises:
            GridMapError: If the run is over or does not answer.
        """
        with Control(state.overview.token) as control:
            if job is None:
                control.kill_run()
            else:
                control.kill_jobs([(job, job + 1)])


def _follow(token: str) -> RunState | None:
    """Return a run of another process, followed from now on; None if it is silent."""
    try:
        feed, questions = Control(token), Control(token)
        with questions:
            events = feed.follow()
            # Asked for after the feed is open, so nothing falls between the two; what
            # is told twice changes nothing.
            state = RunState.of(questions.look().overview())
    except GridMapError as error:
        _log.info("run %s cannot be followed: %s", token, error)
        return None
    state.followed = True

    def take() -> None:
        try:
            with feed:
                for event in events:
                    if event.at >= begin:
                        state.take(event)  # type: ignore[arg-type]  # all kinds are known
        except (GridMapError, OSError) as error:
            _log.info("run %s is followed no more: %s", token, error)
        finally:
            state.followed = False
            if not state.ended:
                state.lose("its process is gone, or does not answer any more")

    begin = state.overview.at
    threading.Thread(target=take, name="gridmap-follow", daemon=True).start()
    return state


def _from_record(entry: Entry) -> RunState:
    state = RunState.of(entry.record.overview())
    if not state.ended:
        driver = entry.record.driver
        known = "is gone" if entry.over else "does not answer"
        if driver.elsewhere:
            known = (
                "cannot be heard from here; there, `gridmap dashboard` follows it and "
                "can end it"
            )
        state.lose(f"its process, {driver.pid} on {driver.host}, {known}")
    return state


def _line(overview: Any, *, over: bool) -> dict[str, Any]:
    failed = overview.count(JobState.FAILED)
    end = overview.ended if overview.ended is not None else overview.at
    stands = "running"
    if overview.ended is not None:
        stands = "stopped" if overview.error else "failed" if failed else "done"
    elif over:
        stands = "lost"
    return {
        "id": overview.token,
        "name": overview.name,
        "backend": overview.backend,
        "state": stands,
        "began": overview.started,
        "seconds": max(0.0, end - (overview.started or end)),
        "total": overview.total,
        "done": overview.count(JobState.DONE),
        "failed": failed,
    }
