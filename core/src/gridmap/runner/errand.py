"""What a runner does beside its loop: a thread that fetches or brings large frames."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Errand:
    """Frames being fetched or brought. What comes of it is read once `over`.

    Attributes:
        over: Whether it came to an end.
        error: Why that was none that was wanted; None if it was.
        fetched: Descriptors of frames that were fetched, by ticket.
        opened: References to those that are not compressed any more.
    """

    def __init__(
        self,
        work: Callable[[Errand], None],
        wake: Callable[[], None],
        afterwards: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin.

        Args:
            work: What to do, in a thread of its own; it may raise anything.
            wake: Called there when it is over.
            afterwards: What is to be done there if it went well, and waited for by
                nobody.
        """
        self.over = False
        self.error: Exception | None = None
        self.fetched: dict[bytes, int] = {}
        self.opened: Collection[bytes] = ()
        self._work, self._wake, self._afterwards = work, wake, afterwards
        self._lock, self._left = threading.Lock(), False
        thread = threading.Thread(target=self._run, name="gridmap-bulk", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had
            self._end(error)

    def _run(self) -> None:
        try:
            self._work(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, CURVE is left
            self._end(error)
        else:
            self._end(None)
            self._afterwards()

    def _end(self, error: Exception | None) -> None:
        self.error = error
        with self._lock:
            self.over = True
            if self._left:
                self._drop()
        self._wake()

    def leave(self) -> None:
        """Want nothing of it any more."""
        with self._lock:
            self._left = True
            if self.over:
                self._drop()

    def _drop(self) -> None:
        while self.fetched:
            os.close(self.fetched.popitem()[1])
