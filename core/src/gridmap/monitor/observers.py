"""Telling observers: each in a thread of its own, under guard."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from gridmap import plugins
from gridmap.errors import InvalidRequestError
from gridmap.events import (
    EventsMissed,
    JobOutput,
    JobProgress,
    RunEnded,
    RunnerVitals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.events import AnyEvent
    from gridmap.settings import Settings

_log = logging.getLogger(__name__)

_MOST_PASSING: Final = 10_000
"""Events that one has not seen yet, beyond which it is told of nothing that goes on."""

_MOST_WAITING: Final = 250_000
"""Events that one has not seen yet, beyond which it misses what comes: some 50 MB."""

_REST_S: Final = 0.02
"""Between two looks at what is new: threads take turns, so one that woke for each event
would cost a short job a tenth of its round trip."""

_STRETCH_S: Final = 0.0001
"""How long one sees events without letting other threads go on. The interpreter itself
would let them after 5 ms, which is ten short jobs."""

_BREATH_S: Final = 0.002
"""How long it then lets them at most, unless they have come to rest before."""

_MANY_WAITING: Final = 1000
"""Events that one has not seen yet, beyond which it does not stop for that."""


def installed_observers(
    settings: Settings, *, completion_mail: bool = False
) -> list[tuple[str, Callable[[AnyEvent], None]]]:
    """Return what installed plugins watch a run with, given its settings.

    Where mail or metrics are wanted, perhaps by a setting of the site's, and no plugin
    sees to them, that is a warning.

    Raises:
        InvalidRequestError: If a dashboard is wanted and no plugin shows one.
    """
    found = plugins.installed().observers(settings.told())
    names = {name for name, _ in found}
    if (settings.send_error_mail or completion_mail) and "mail" not in names:
        _log.warning(
            "mail is wanted (send_error_mail, or completion_mail=True), and no plugin "
            "sends any: install gridmap-mail, or do without it"
        )
    if settings.metrics_file and "dashboard" not in names:
        _log.warning(
            "metrics are wanted (metrics_file), and no plugin writes them: install "
            "gridmap-dashboard, or do without them"
        )
    if settings.dashboard and "dashboard" not in names:
        broken = [one for one in plugins.installed().broken if one.name == "dashboard"]
        why = f"its plugin is broken: {broken[0].error}" if broken else "no plugin does"
        msg = (
            f"a dashboard is wanted (dashboard=True, or the setting), and {why}: "
            "install gridmap-dashboard, or do without it"
        )
        raise InvalidRequestError(msg)
    return found


_PASSING: Final = (JobOutput, JobProgress, RunnerVitals)
"""Events that are soon followed by another of their kind."""


class Observers:
    """Those who watch a run.

    A slow one sees events late, one that raises is left out, one that hangs is left
    behind; none of them holds up the run or another.
    """

    def __init__(
        self, observers: Sequence[tuple[str, Callable[[AnyEvent], None]]]
    ) -> None:
        self._watches = [_Watch(name, observer) for name, observer in observers]

    def tell(self, event: AnyEvent) -> None:
        """Pass an event on; returns at once.

        Of heartbeats, progress and output there is no end: who does not look at them
        misses what is too much. Who is far behind misses the rest too, but for the
        run's end, and is told how much.
        """
        passing = isinstance(event, _PASSING)
        for watch in self._watches:
            watch.tell(event, passing=passing)

    def go_on(self) -> None:
        """Let them look at what is new: a runner has work, and nobody waits for us."""
        for watch in self._watches:
            if watch.waits:
                watch.waits = False
                watch.calm.set()

    def finish(self, patience_s: float) -> None:
        """Let them see what is waiting, for so long at most, all together."""
        for watch in self._watches:
            watch.events.put(None)
            watch.hurry.set()
            watch.calm.set()
        deadline = time.monotonic() + patience_s
        for watch in self._watches:
            watch.thread.join(max(0.0, deadline - time.monotonic()))
            if watch.thread.is_alive():
                _log.warning(
                    "observer %s has not seen all events of the run %g s after its "
                    "end and is left behind: it hangs, or is too slow",
                    watch.name,
                    patience_s,
                )


class _Watch:
    """One observer, and what it has not seen yet.

    Attributes:
        name: What people call it.
        events: What it has not seen; None behind the last.
        hurry: Set when it is to rest no more.
        waits: Whether it would go on when other threads have come to rest.
        calm: Set when they have.
        thread: Where it is told.
    """

    def __init__(self, name: str, observer: Callable[[AnyEvent], None]) -> None:
        self.name = name
        self.events: queue.SimpleQueue[AnyEvent | None] = queue.SimpleQueue()
        self.hurry = threading.Event()
        self.waits = False
        self.calm = threading.Event()
        self._observer = observer
        self._missed = 0
        self.thread = threading.Thread(
            target=self._run, name=f"gridmap-observer-{name}", daemon=True
        )
        self.thread.start()

    def tell(self, event: AnyEvent, *, passing: bool) -> None:
        """Put an event where it waits, if there is room; one thread at a time."""
        waiting = self.events.qsize()
        if passing and waiting >= _MOST_PASSING:
            return
        if waiting >= _MOST_WAITING and not isinstance(event, RunEnded):
            if not self._missed:
                _log.warning(
                    "observer %s is %d events behind and misses what comes: it hangs, "
                    "or is too slow",
                    self.name,
                    waiting,
                )
            self._missed += 1
            return
        if self._missed:
            missed = EventsMissed(run=event.run, at=event.at, count=self._missed)
            self.events.put(missed)
            self._missed = 0
        self.events.put(event)

    def _may_go_on(self, began: float) -> bool:
        """Rest if there is nothing new; say whether the next may be seen at once."""
        waiting = self.events.qsize()
        if not waiting:
            self.hurry.wait(_REST_S)
        in_time = waiting > 0 and time.monotonic() - began < _STRETCH_S
        return in_time or waiting >= _MANY_WAITING or self.hurry.is_set()

    def _run(self) -> None:
        began = time.monotonic()
        while (event := self.events.get()) is not None:
            try:
                self._observer(event)
            except (Exception, SystemExit):  # noqa: BLE001 - never able to disturb a run
                _log.exception("observer %s failed and is left out", self.name)
                break
            if self._may_go_on(began):
                continue
            self.calm.clear()
            self.waits = True
            self.calm.wait(_BREATH_S)
            began = time.monotonic()
        while event is not None:  # what nobody sees must not pile up
            event = self.events.get()
