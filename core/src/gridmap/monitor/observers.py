"""Telling observers: in a thread of their own, one by one, under guard."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.events import AnyEvent

_log = logging.getLogger(__name__)


class Observers:
    """Those who watch a run. Slow ones see events late; broken ones are left out."""

    def __init__(
        self, observers: Sequence[tuple[str, Callable[[AnyEvent], None]]]
    ) -> None:
        self._observers = list(observers)
        self._events: queue.SimpleQueue[AnyEvent | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if self._observers:
            self._thread = threading.Thread(
                target=self._run, name="gridmap-observers", daemon=True
            )
            self._thread.start()

    def tell(self, event: AnyEvent) -> None:
        """Pass an event on; returns at once."""
        if self._thread is not None:
            self._events.put(event)

    def finish(self, patience_s: float) -> None:
        """Let them see what is waiting, for so long at most."""
        if self._thread is not None:
            self._events.put(None)
            self._thread.join(patience_s)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            for name, observer in list(self._observers):
                try:
                    observer(event)
                except Exception:  # noqa: BLE001 - never able to disturb a run
                    _log.exception("observer %s failed and is left out", name)
                    self._observers.remove((name, observer))
