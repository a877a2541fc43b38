"""A run of which one job is left, which takes long."""

from typing import Any

from tests.unit.monitor.desk import Desk

from gridmap import backend as b
from gridmap.events import (
    SpeculationEnded,
)
from gridmap.lifecycle import JobState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.protocol import messages as m

NODE = b.Autopsy(ending=b.Ending.NODE)
PERSON = b.Autopsy(ending=b.Ending.PERSON)
RAISED = m.Failure(offset=0, kind=m.Kind.RAISED, classes=("ValueError",), text="no")


class Tail:
    """Of seven jobs one is left, which takes long.

    Attributes:
        slow: The peer of who runs it.
        first: What that was given.
        quick: The peer of who has done all the others.
    """

    def __init__(self, desk: Desk | None = None, runners: int = 2, **policy: Any):
        policy = {"speculate": True, "max_workers": runners, **policy}
        self.desk = desk or Desk(b.Capabilities(accounting=True), **policy)
        self.desk.add(7)
        self.handles = self.desk.accept()
        self.slow, *others = (self.desk.hello(handle) for handle in self.handles)
        self.first, *works = self.desk.work()
        self.quick = others[0]
        for peer, given in zip(others, works, strict=True):
            work = given
            while True:
                self.desk.report(peer, work)
                if not (more := self.desk.work()):
                    break
                (work,) = more
        assert self.desk.books.jobs.open == 1
        self.desk.asked.clear()

    def wait(self, seconds: float = 4.0) -> m.Work:
        """Let it take long; return what the second attempt was given as."""
        self.desk.tick(seconds)
        (work,) = self.desk.work()
        return work

    def ends(self) -> list[tuple[str, int]]:
        """Return how second attempts ended since last asked."""
        ended = self.desk.take(SpeculationEnded)
        return [(event.outcome, event.attempt) for event in ended]

    def kill_slow(self, finding: b.Autopsy = NODE) -> None:
        """Let the runner of the first attempt be gone."""
        self.desk.tell(f.Disconnected(peer=self.slow))
        self.desk.tick(1.0)
        self.desk.looked()
        self.desk.tick()
        self.desk.autopsy(finding)

    @property
    def state(self) -> JobState:
        """Where the job is."""
        return JobState(self.desk.books.jobs.states[self.first.first])


def cancelled(desk: Desk, peer: bytes) -> list[int]:
    """Return the grants that a runner was told are not wanted, since last asked."""
    sent = [send for send in desk.take(i.Send) if send.peer == peer]
    return [s.message.grant for s in sent if isinstance(s.message, m.Cancel)]


def failed(work: m.Work) -> m.Report:
    return m.Report(
        number=7, grant=work.grant, first=work.first, count=1, failures=(RAISED,)
    )
