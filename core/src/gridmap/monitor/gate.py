"""Between the rules and the world: nothing goes out before it is written down.

What a turn of the monitor's loop leads to waits here until the entries noted in it, and
before it, are in the journal. So a result that was acknowledged, and work that was sent,
are known to whoever takes over. Order is kept. Without a journal all goes out at once.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gridmap.journal import entries as e

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridmap.journal.log import JournalLog
    from gridmap.journal.record import Item
    from gridmap.payload import Frame

_LOOK_S: Final = 0.005


class Gate:
    """Used in the monitor's thread alone."""

    def __init__(self, log: JournalLog | None) -> None:
        self._log = log
        self._items: list[Item] = []
        self._acts: list[Callable[[], object]] = []
        self._waiting: deque[tuple[int, list[Callable[[], object]]]] = deque()
        self._ticket = 0

    @property
    def journaled(self) -> bool:
        """Whether entries are written at all."""
        return self._log is not None

    def note(self, entry: e.Entry, frames: Sequence[Frame] = ()) -> None:
        """Have an entry written; what is done from now on waits for it."""
        if self._log is not None:
            from gridmap.journal.record import Item  # noqa: PLC0415 - few runs need it

            self._items.append(Item(e.encode(entry), tuple(frames)))

    def do(self, act: Callable[[], object]) -> None:
        """Do something, once all that was noted so far is written."""
        if self._log is None or not self._held(self._log):
            act()
        else:
            self._acts.append(act)

    def _held(self, log: JournalLog) -> bool:
        return bool(self._items or self._acts or self._waiting) or (
            self._ticket > log.committed
        )

    def turn(self) -> None:
        """End a turn: hand its entries over, and do what has nothing to wait for."""
        if self._log is None:
            return
        if self._items:
            items, self._items = self._items, []
            self._ticket = self._log.put(items)
        if self._acts:
            acts, self._acts = self._acts, []
            self._waiting.append((self._ticket, acts))
        self._release(self._log.committed)

    def _release(self, committed: int) -> None:
        while self._waiting and self._waiting[0][0] <= committed:
            for act in self._waiting.popleft()[1]:
                act()

    def drain(self, patience_s: float) -> None:
        """See everything out, for so long at most; then let it go unwritten."""
        deadline = time.monotonic() + patience_s
        self.turn()
        while self._log is not None and self._waiting:
            late = time.monotonic() > deadline
            self._release(self._ticket if late else self._log.committed)
            time.sleep(_LOOK_S if self._waiting else 0.0)
