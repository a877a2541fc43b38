"""Those who look at a run while it goes on; as long as nobody does, it costs nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gridmap.monitor import facts

if TYPE_CHECKING:
    from collections.abc import Callable


class _Look:
    """One who watches the run."""

    def __init__(self, output: bool) -> None:
        self.output = output


class Watchers:
    """Who they are, and what they want to see. Used in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks: list[_Look] = []
        self._tell: Callable[[facts.Fact], None] | None = None

    def open(self, tell: Callable[[facts.Fact], None]) -> None:
        """The run is open: see that those who look already see it.

        Args:
            tell: Tells the rules a fact; returns at once.
        """
        self._tell = tell
        if self._looks:
            self._announce()

    def close(self) -> None:
        """The run is closed: there is nobody to tell any more."""
        self._tell = None

    def watch(self, *, output: bool) -> Callable[[], None]:
        """Take in one more, before the run is open or later.

        Args:
            output: Whether what jobs print is wanted too.

        Returns:
            What is to be called when that one looks no more; idempotent.
        """
        look = _Look(output)
        with self._lock:
            self._looks.append(look)
        self._announce()

        def look_no_more() -> None:
            with self._lock:
                if look in self._looks:
                    self._looks.remove(look)
            self._announce()

        return look_no_more

    def _announce(self) -> None:
        """Tell the rules what is wanted now."""
        with self._lock:  # which keeps what is told in order
            live = bool(self._looks)
            output = any(look.output for look in self._looks)
            if (tell := self._tell) is not None:
                tell(facts.Watched(live=live, output=output))
