"""What the tests of the journal's file share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gridmap.journal.log import JournalLog
from gridmap.journal.record import Item

PATIENCE_S = 20.0


class Committed:
    """Waits for tickets: pass it as ``on_commit``."""

    def __init__(self) -> None:
        self._news = threading.Condition()

    def __call__(self) -> None:
        with self._news:
            self._news.notify_all()

    def wait(self, log: JournalLog, ticket: int) -> None:
        """Return when *ticket* is committed."""
        self.until(lambda: log.committed >= ticket)

    def until(self, met: Callable[[], bool]) -> None:
        """Return when something holds that only a commit can bring about."""
        with self._news:
            assert self._news.wait_for(met, PATIENCE_S)


def plain(items: Sequence[Item]) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return items as they can be compared, whatever their frames are made of."""
    return [(item.body, tuple(map(bytes, item.frames))) for item in items]


def write(path: Path, items: Sequence[Item], a_batch: int = 10**9) -> None:
    """Write *items* into a journal that is closed properly."""
    committed = Committed()
    log = JournalLog.open(path, on_commit=committed)
    for start in range(0, len(items), a_batch):
        committed.wait(log, log.put(items[start : start + a_batch]))
    assert log.close(PATIENCE_S)


def read(path: Path) -> list[Item]:
    """Return what is in a journal that nobody else has open."""
    log = JournalLog.open(path)
    items = list(log.read())
    assert log.close(PATIENCE_S)
    return items
