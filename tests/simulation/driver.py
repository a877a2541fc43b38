"""The user's process dies, and his script is started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.journal import entries as e
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.past import Restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gridmap.protocol import messages as m


class SimJournal:
    """What is on the disk: it outlives the process.

    Attributes:
        written: Entries, as bytes.
        full: Whether nothing can be written at present.
        lost: How often entries were lost, since their process died before it could.
        parked: What runners left there that ended while nobody listened, by nonce.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._waiting: list[bytes] = []
        self.full = False
        self.lost = 0
        self.parked: dict[str, list[tuple[m.FromRunner, Sequence[object]]]] = {}

    def commit(self, entries: Iterable[e.Entry]) -> None:
        """Write entries down, for good; on a full disk, once it is no longer full."""
        self._waiting += map(e.encode, entries)
        if not self.full:
            self.written += self._waiting
            self._waiting.clear()

    def room(self) -> None:
        """Let the disk have room again."""
        self.full = False
        self.commit(())

    def forget(self) -> None:
        """Lose what a process has not written that died."""
        self.lost += bool(self._waiting)
        self._waiting.clear()

    def read(self) -> Restored:
        """Return what a later process finds."""
        past = Restored()
        for body in self.written:
            past.take(e.decode(body), ())
        return past


def entries(fact: f.Fact, instructions: Iterable[i.Instruction]) -> list[e.Entry]:
    """Return what is to be written down before anything else is done."""
    found: list[e.Entry] = []
    if isinstance(fact, f.JobsAdded):
        found.append(
            e.Added(
                first=fact.first,
                stop=fact.stop,
                function=fact.function,
                resources=fact.resources,
                surroundings=fact.surroundings,
            )
        )
    for instruction in instructions:
        match instruction:
            case i.Note():
                found.append(instruction.entry)
            case i.KeepContent():
                saved = e.Saved(job=instruction.job, digest=instruction.digest)
                found.append(saved)
            case i.Deliver(verdict=None):
                done = e.Done(first=instruction.first, stop=instruction.stop)
                found.append(done)
            case i.Deliver(verdict=verdict) if verdict is not None:
                found.append(e.Ended(job=instruction.first, verdict=verdict))
            case i.DeliverVerdict():
                ended = e.Ended(job=instruction.job, verdict=instruction.verdict)
                found.append(ended)
    return found
