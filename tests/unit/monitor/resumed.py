"""A desk whose ledger keeps a journal, and one that goes on from it."""

from __future__ import annotations

from typing import Any

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.journal import entries as e
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.past import Restored
from gridmap.monitor.policy import Policy
from gridmap.monitor.restoration import Segment, segments
from gridmap.verdict import Verdict


class Journaled(Desk):
    """A desk that keeps what a journal would hold."""

    def __init__(self, **policy: Any):
        self.journal: list[e.Entry] = []
        super().__init__(journaled=True, **policy)

    def tell(self, fact: f.Fact, seconds: float = 0.0) -> list[i.Instruction]:
        """Hand in a fact, and write down what the service would."""
        if isinstance(fact, f.JobsAdded):
            self.journal.append(
                e.Added(
                    first=fact.first,
                    stop=fact.stop,
                    function=fact.function,
                    resources=fact.resources,
                    surroundings=fact.surroundings,
                )
            )
        asked = super().tell(fact, seconds)
        for one in asked:
            match one:
                case i.Note():
                    self.journal.append(one.entry)
                case i.Deliver(verdict=None):
                    self.journal.append(e.Done(first=one.first, stop=one.stop))
                case (
                    i.Deliver(verdict=Verdict() as verdict)
                    | i.DeliverVerdict(verdict=verdict)
                ):
                    job = one.first if isinstance(one, i.Deliver) else one.job
                    self.journal.append(e.Ended(job=job, verdict=verdict))
        return asked


class Resumed(Journaled):
    """A desk whose ledger was made of another's journal."""

    def __init__(
        self,
        journal: list[e.Entry],
        jobs: list[Segment] | None = None,
        **policy: Any,
    ):
        self.journal = list(journal)
        self.now = 1000.0
        self.past = Restored()
        for entry in journal:
            self.past.take(e.decode(e.encode(entry)), ())
        self.ledger = Ledger(Policy(journaled=True, **policy), self.now)
        self.ledger.restore(self.past, segments(self.past) if jobs is None else jobs)
        self.books = self.ledger._books
        self.asked = []
        self.jobs = len(self.books.jobs.states)
        self.handles = 100
        self.tell(f.BackendReady(capabilities=b.Capabilities()))

    def states(self) -> list[JobState]:
        """Return where every job is."""
        return [JobState(state) for state in self.books.jobs.states]
