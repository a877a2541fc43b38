"""A ledger on a desk: facts are handed to it and its instructions sorted."""

from __future__ import annotations

from typing import Any, TypeVar

from gridmap import backend as b
from gridmap.lifecycle import RunnerState
from gridmap.monitor import facts as f
from gridmap.monitor import instructions as i
from gridmap.monitor.fleet import Runner
from gridmap.monitor.ledger import Ledger
from gridmap.monitor.policy import Policy
from gridmap.protocol import messages as m
from gridmap.resources import Resources

_T = TypeVar("_T")

PLAIN = Resources()
OTHER = Resources(cores=2)

KILLED = b.Autopsy(ending=b.Ending.PERSON)
NODE = b.Autopsy(ending=b.Ending.NODE)
BOOKS = b.Capabilities(accounting=True)


class Desk:
    """A ledger, a clock moved by hand, and what the ledger asked for."""

    def __init__(self, capabilities: b.Capabilities | None = None, **policy: Any):
        self.now = 0.0
        self.ledger = Ledger(Policy(**policy), 0.0)
        self.books = self.ledger._books
        self.asked: list[i.Instruction] = []
        self.jobs = 0
        self.handles = 0
        self.tell(f.BackendReady(capabilities=capabilities or b.Capabilities()))

    def tell(self, fact: f.Fact, seconds: float = 0.0) -> list[i.Instruction]:
        """Hand in a fact, some time after the last."""
        self.now += seconds
        asked = self.ledger.handle(fact, self.now)
        self.asked += asked
        return asked

    def take(self, kind: type[_T]) -> list[_T]:
        """Return and forget what was asked for or said of a kind."""
        found: list[_T] = []
        rest: list[i.Instruction] = []
        for asked in self.asked:
            parts = [
                asked,
                getattr(asked, "message", None),
                getattr(asked, "event", None),
            ]
            match = next((part for part in parts if isinstance(part, kind)), None)
            if match is None:
                rest.append(asked)
            else:
                found.append(match)
        self.asked = rest
        return found

    def add(self, count: int, resources: Resources = PLAIN, **fields: Any) -> None:
        """Hand in jobs, the last ones unless said otherwise."""
        first, self.jobs = self.jobs, self.jobs + count
        fields = {"final": True, **fields}
        self.tell(
            f.JobsAdded(
                first=first,
                stop=self.jobs,
                function=b"f",
                resources=resources,
                **fields,
            )
        )

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, in steps that nobody takes for a stopped process."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.tell(f.Tick(), min(0.5, end - self.now))
        self.tell(f.Tick())

    def accept(self) -> list[b.Handle]:
        """Take all runners that were asked for."""
        handles = []
        for submission in self.take(i.SubmitRunners):
            answers: dict[int, b.Handle | b.Rejected] = {}
            for runner in submission.runners:
                self.handles += 1
                answers[runner] = b.Handle(str(self.handles))
                handles.append(b.Handle(str(self.handles)))
            self.tell(f.Submitted(answers=answers))
        return handles

    def reject(self, *, transient: bool) -> None:
        """Turn all runners away that were asked for."""
        for submission in self.take(i.SubmitRunners):
            rejected = b.Rejected(transient=transient, text="no, said the scheduler")
            self.tell(f.Submitted(answers=dict.fromkeys(submission.runners, rejected)))

    def hello(self, handle: b.Handle, nonce: str | None = None, **fields: Any) -> bytes:
        """Let a runner say hello; return its peer."""
        nonce = nonce or f"n{handle}"
        told = {
            "version": m.VERSION, "nonce": nonce, "job": handle.job,
            "task": handle.task, "node": f"node{handle}", "pid": 1,
            "python": (3, 11, 0), "gridmap": "1", **fields,
        }  # fmt: skip
        peer = nonce.encode()
        self.tell(f.Heard(peer=peer, message=m.Hello(**told)))
        return peer

    def start(self) -> list[bytes]:
        """Accept and let in all runners that were asked for."""
        return [self.hello(handle) for handle in self.accept()]

    def hear(self, peer: bytes, message: m.FromRunner) -> list[i.Instruction]:
        """Let a runner say something."""
        return self.tell(f.Heard(peer=peer, message=message))

    def work(self) -> list[m.Work]:
        """Return the work that was sent since last asked."""
        return [send.work for send in self.take(i.SendWork)]

    def report(self, peer: bytes, work: m.Work, seconds: float = 1.0) -> None:
        """Let a runner report all of a grant."""
        self.hear(
            peer,
            m.Report(
                number=1, grant=work.grant, first=work.first, count=work.count,
                seconds=seconds * work.count,
            ),
        )  # fmt: skip

    def report_next(self, seconds: float = 1.0) -> None:
        """Let the runner report that was sent work first, of those that have some."""
        sent = self.take(i.SendWork)
        if sent:
            self.asked += sent[1:]
            self.report(sent[0].peer, sent[0].work, seconds)

    def submissions(self) -> list[i.SubmitRunners]:
        """Return what runners are asked for, and do not forget it."""
        return [asked for asked in self.asked if isinstance(asked, i.SubmitRunners)]

    def runner(self, handle: b.Handle) -> Runner:
        """Return what the ledger knows of a runner."""
        return self.books.fleet.by_handle[handle]

    def crew(self, *states: RunnerState) -> int:
        """Return how many runners are in these states."""
        return sum(runner.state in states for runner in self.books.fleet)

    def looked(self, **seen: b.SeenState) -> None:
        """Answer the last question; runners that are not named are absent."""
        look = self.take(i.Look)[-1]
        shown = {
            handle: b.Seen(state=seen[f"h{handle}"])
            for handle in look.handles
            if f"h{handle}" in seen
        }
        absent = look.handles - set(shown)
        observed = b.Observed(seen=shown, absent=absent)
        self.tell(f.Looked(asked=look.handles, observation=observed, at=self.now))

    def autopsy(self, finding: b.Autopsy | None = None) -> None:
        """Answer the last question to accounting, alike for all."""
        asked = self.take(i.HoldAutopsy)[-1].handles
        findings = dict.fromkeys(asked, finding) if finding else {}
        self.tell(f.Autopsied(asked=asked, findings=findings, tails={}))

    def verdicts(self) -> dict[int, str]:
        """Return the causes delivered since last asked, by job."""
        return {d.job: d.verdict.cause.value for d in self.take(i.DeliverVerdict)}


def returned(work: m.Work, first: int) -> m.Returned:
    """Return a hand-back of all of a grant from a job on."""
    count = work.first + work.count - first
    return m.Returned(number=1, grant=work.grant, first=first, count=count)


def batched(desk: Desk, jobs: int) -> tuple[bytes, m.Work]:
    """Bring a runner to hold several jobs in one grant."""
    desk.add(jobs)
    (peer,) = desk.start()
    (work,) = desk.work()
    desk.report(peer, work, seconds=0.001)
    return peer, desk.work()[0]


def die(desk: Desk, peer: bytes, finding: b.Autopsy | None) -> None:
    """Let a runner vanish and be looked into to the end."""
    desk.tell(f.Disconnected(peer=peer), 3.0)
    desk.tick()
    desk.looked()
    desk.tick()
    desk.autopsy(finding)
