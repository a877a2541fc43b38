"""Two lives of one runner at a time: the earlier one may say its last words. Pure.

A scheduler that starts a runner again under its handle may do so while the process it
was before has not ended: Grid Engine 8.1.9 warns the old one by a signal after it has
started the new one elsewhere (``qmod -rj`` with ``-notify``). What the old one then has
to say, a checkpoint above all, is worth waiting for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gridmap.lifecycle import RunnerState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.monitor.books import Books
    from gridmap.monitor.fleet import Runner
    from gridmap.protocol.messages import Hello

LAST_WORDS_S: Final = 6.0
"""How long a new life waits for the old one. Without a warning the old one is gone by
then, or it will not be heard again."""


class Heir(msgspec.Struct, frozen=True):
    """A new life of a runner, at the door.

    Attributes:
        peer: Its routing id.
        hello: What it said.
        until: How long it waits at most.
    """

    peer: bytes
    hello: Hello
    until: float


class Succession:
    """Keeps new lives waiting while old ones may still speak."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._heirs: dict[int, Heir] = {}

    def waits(self, runner: Runner, peer: bytes, hello: Hello) -> bool:
        """Tell whether a new life is to wait; it is admitted by another answer."""
        books, known = self._books, self._heirs.pop(runner.number, None)
        silent = books.now - runner.heard > 2.5 * books.policy.interval_s
        speaks = runner.state in (RunnerState.UP, RunnerState.SUSPECT)
        gone = runner.peer is None or runner.broke_at is not None or runner.parted
        if gone or silent or not speaks:
            return False
        if not runner.left or (known is not None and books.now >= known.until):
            return False
        until = known.until if known is not None else books.now + LAST_WORDS_S
        self._heirs[runner.number] = Heir(peer, hello, until)
        return True

    def spoken(self, runner: Runner) -> Heir | None:
        """Return who waited for a runner to speak; it does not have to any longer."""
        heir = self._heirs.get(runner.number)
        if heir is not None:
            self._heirs[runner.number] = msgspec.structs.replace(
                heir, until=self._books.now
            )
        return heir

    def over(self, runner: Runner) -> None:
        """Another life of a runner was let in: nobody waits for its turn any more."""
        self._heirs.pop(runner.number, None)

    def hung_up(self, peer: bytes) -> None:
        """A connection is gone: nobody waits there any more."""
        for number in [n for n, heir in self._heirs.items() if heir.peer == peer]:
            del self._heirs[number]

    def due(self) -> Iterator[Heir]:
        """Yield those that have waited long enough."""
        for number, heir in list(self._heirs.items()):
            gone = number not in self._books.fleet.runners
            if gone or self._books.now >= heir.until:
                yield heir
                if self._heirs.get(number) is heir:  # whatever it was answered
                    del self._heirs[number]
