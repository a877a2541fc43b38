"""A runner's rules on a bench: they are told what happens, and their actions sorted."""

from typing import Any, TypeVar

from gridmap.protocol import messages as m
from gridmap.runner import actions as ra
from gridmap.runner import machine as rm

HELLO = m.Hello(
    version=1, nonce="n", job="1", task=None, node="a", pid=1, python=(3, 11, 0),
    gridmap="1",
)  # fmt: skip
WELCOME = m.Welcome(version=1, interval=10.0, orphan=60.0)
IDLE = (None, 0.0)

_T = TypeVar("_T")


class Bench:
    """A machine with its actions sorted, and a clock that is moved by hand."""

    def __init__(self, *, ready: bool = True) -> None:
        self.now = 100.0
        self.machine = rm.RunnerMachine(HELLO, self.now)
        self.actions: list[ra.Action] = []
        self.do(self.machine.connected(self.now))
        if ready:
            self.hear(WELCOME)
            self.do(self.machine.worker_ready())

    def do(self, actions: list[ra.Action]) -> None:
        self.actions += actions

    def hear(self, *messages: m.FromMonitor) -> None:
        for message in messages:
            self.do(self.machine.heard(message, self.now))

    def take(self, kind: type[_T]) -> list[_T]:
        """Return and forget the actions of a kind; of messages, what is said."""
        found: list[_T] = []
        rest: list[ra.Action] = []
        for action in self.actions:
            what: object = action.message if isinstance(action, ra.Say) else action
            if isinstance(what, kind):
                found.append(what)
            else:
                rest.append(action)
        self.actions = rest
        return found

    def fed(self) -> list[tuple[int, int]]:
        return [
            (feed.grant, job)
            for feed in self.take(ra.Feed)
            for job in range(feed.first, feed.stop)
        ]

    def result(self, first: int, count: int = 1, seconds: float = 1.0) -> None:
        self.do(self.machine.results(first, count, (), seconds, ["x"], self.now))

    def worker_ends(
        self, job: int | None, *, signal: int | None = 9, status: int | None = None
    ) -> None:
        end = ra.WorkerEnd(
            job=job, seconds=1.0, status=status, signal=signal, peak=5,
            out_of_memory=False, tail="bye",
        )  # fmt: skip
        self.do(self.machine.worker_ended(end, self.now))

    def worker_starts(self) -> None:
        assert self.take(ra.StartWorker)
        assert self.take(ra.SetUp)
        self.do(self.machine.worker_ready())

    def tick(self, seconds: float = 0.0, running: Any = IDLE) -> None:
        self.now += seconds
        job, seconds = running
        self.do(self.machine.tick(ra.Glance(job=job, seconds=seconds), self.now))

    def beat(self) -> m.Beat:
        self.take(m.Beat)
        self.tick(10.0)
        (beat,) = self.take(m.Beat)
        return beat


def work(grant: int, first: int, count: int) -> m.Work:
    return m.Work(grant=grant, first=first, count=count, attempt=1, function=b"f")
