"""The thread that writes the journal, and what it does when the disk is full."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from gridmap.journal import database
from gridmap.journal.record import Item, encode, spills

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gridmap.journal.spill import SpillFolder

_log = logging.getLogger(__name__)

WAITING_BYTES: Final = 256 * 2**20
"""So much is kept in memory while nothing can be written; more is given up."""

LARGEST_BYTES: Final = 2**36
"""So large a journal becomes, if nobody says otherwise."""

_RESERVE: Final = 16
"""Part of that beyond it which is for entries without frames: what a resumed run has to
know of its runners."""

_BATCH_ITEMS: Final = 1024
_BATCH_BYTES: Final = 16 * 2**20
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 30.0


class Writer:
    """Commits items in the order they are put, as many at a time as are waiting.

    Any thread may call `put`; the writer's own thread does all else and begins with
    the first item. It ends with `close`, and does not keep the process alive.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        folder: SpillFolder,
        last: int,
        on_commit: Callable[[], None],
        *,
        locks: bool = True,
        waiting_bytes: int = WAITING_BYTES,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        """Take over *connection*; see `JournalLog`.

        Args:
            path: The file.
            connection: An open one to it.
            folder: Where large items go.
            last: The number before that of the first item.
            on_commit: Called in the writer's thread whenever `committed` went on.
            locks: Whether the file system can lock.
            waiting_bytes: Memory for what cannot be written.
            largest_bytes: How large the journal may become.
        """
        self._path = path
        self._connection: sqlite3.Connection | None = connection
        self._folder = folder
        self._on_commit = on_commit
        self._locks = locks
        self._most = waiting_bytes
        self._largest = largest_bytes
        self._kept_bytes = path.stat().st_size + folder.size_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, int, Item]] = deque()  # number, size, item
        self._waiting_bytes = 0
        self._ticket = self.committed = last
        self._thread: threading.Thread | None = None
        self._pause_s = 0.0
        self._failing_since = self._retry_at = 0.0
        self._end_at: float | None = None
        self._over = False
        self._trouble = ""  # the last there was
        self.failing = ""
        self.dropped = self.beyond = 0

    def put(self, items: Sequence[Item]) -> int:
        """Hand in *items*; return the number of the last. Does not block."""
        with self._changed:
            for item in items:
                self._ticket += 1
                size = item.size_bytes
                full = self._waiting_bytes + size > self._most
                if self._over or (self.failing and full) or self._exceeds(item, size):
                    self.dropped += 1
                else:
                    self._kept_bytes += size
                    self._waiting.append((self._ticket, size, item))
                    self._waiting_bytes += size
            if items and self._thread is None and self._end_at is None:
                self._thread = threading.Thread(
                    target=self._run, name="gridmap-journal", daemon=True
                )
                self._thread.start()
            if self._over and items:
                self.committed = self._ticket  # or somebody might wait for ever
                _log.error("%s is closed; it lacks what came since", self._path)
            self._changed.notify()
            return self._ticket

    def _exceeds(self, item: Item, size: int) -> bool:
        """Say whether an item would make the journal too large; count it and warn."""
        most = self._largest
        if not item.frames:
            most += most // _RESERVE
        if self._kept_bytes + size <= most:
            return False
        if not self.beyond:
            self._trouble = f"the setting max_journal_bytes allows {self._largest:,}"
            _log.warning(
                "%s is as large as it may become: %s. The run goes on; if it is "
                "resumed, it will do again what ends from now on",
                self._path,
                self._trouble,
            )
        self.beyond += 1
        return True

    def close(self, patience_s: float) -> bool:
        """Write what is waiting; tell whether everything ever put is on disk."""
        with self._changed:
            first, self._end_at = self._end_at is None, time.monotonic() + patience_s
            self._retry_at, self._pause_s = 0.0, _FIRST_PAUSE_S
            self._changed.notify()
        if self._thread is None:
            self._disconnect()
        else:
            self._thread.join(patience_s + 0.1)
        with self._changed:
            self._over = True
            self.committed = self._ticket
        left = len(self._waiting) + self.dropped
        if left and first:
            _log.error(
                "%s lacks %d entries, as it could not be written: %s. A run that is "
                "resumed will do again what they told",
                self._path,
                left,
                self._trouble or "the disk is too slow",
            )
        return not left

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._try(batch)
            self._tell()
        self._disconnect()

    def _next(self) -> list[tuple[int, Item]] | None:
        """Wait; return what to write, nothing if there is but news, None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._end_at is not None and (
                    not self._waiting or now >= self._end_at
                ):
                    return None
                if self._waiting and now >= self._retry_at:
                    return self._batch()
                given_up = self.failing or not self._waiting
                if given_up and self.committed < self._ticket:
                    self.committed = self._ticket
                    return []
                self._changed.wait(self._pause(now))

    def _pause(self, now: float) -> float | None:
        """Return how long there is nothing to do unless somebody says so."""
        if not self._waiting:
            return None
        return min(self._retry_at, self._end_at or self._retry_at) - now

    def _batch(self) -> list[tuple[int, Item]]:
        batch: list[tuple[int, Item]] = []
        size = 0
        for number, more, item in islice(self._waiting, _BATCH_ITEMS):
            size += more
            if batch and size > _BATCH_BYTES:
                break
            batch.append((number, item))
        return batch

    def _try(self, batch: list[tuple[int, Item]]) -> None:
        try:
            self._write(batch)
        except (sqlite3.Error, OSError, MemoryError) as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - our bug; the run must go on
            _log.exception("%s cannot be written", self._path)
            self._failed(error)
        else:
            self._succeeded(len(batch))

    def _write(self, batch: list[tuple[int, Item]]) -> None:
        rows = []
        for number, item in batch:
            pieces = spills(item)
            spilled = self._folder.write(number, pieces) if pieces else 0
            rows.append((number, encode(number, item, spilled)))
        if self._connection is None:
            self._connection = database.connect(self._path, locks=self._locks)
        database.append(self._connection, rows)

    def _succeeded(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._waiting_bytes -= self._waiting.popleft()[1]
            # What was dropped, not being there, counts as given up on.
            done = self._waiting[0][0] - 1 if self._waiting else self._ticket
            self.committed = max(self.committed, done)
            over = bool(self.failing) and not self._waiting
            if over:
                self.failing = ""
        if over:
            _log.warning(
                "%s is written again, after %.0f s; %d entries were given up",
                self._path,
                time.monotonic() - self._failing_since,
                self.dropped,
            )

    def _failed(self, error: BaseException) -> None:
        # After some errors a connection is of no use (a stale handle of NFS, say).
        self._disconnect()
        now = time.monotonic()
        with self._changed:
            new = not self.failing
            self.failing = self._trouble = str(error) or type(error).__name__
            self.committed = self._ticket
            longest = _LONGEST_PAUSE_S if self._end_at is None else _FIRST_PAUSE_S
            self._pause_s = _FIRST_PAUSE_S if new else min(2 * self._pause_s, longest)
            self._retry_at = now + self._pause_s
        if new:
            self._failing_since = now
            _log.warning(
                "%s cannot be written at present: %s. The run goes on and tries "
                "again; should this process die before it succeeds, a resumed run "
                "will do again what ends from now on",
                self._path,
                self.failing,
            )

    def _tell(self) -> None:
        try:
            self._on_commit()
        except Exception:  # noqa: BLE001 - theirs; no reason to stop writing
            _log.exception("whoever waits for the journal failed")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
