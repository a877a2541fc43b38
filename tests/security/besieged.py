"""A real run that is attacked while its jobs wait, and then has to end correctly."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs
from tests.security import deeds, loopback

from gridmap.connection import ConnectionFile
from gridmap.events import AnyEvent, RunEnded, RunnersSubmitted, RunnerUp
from gridmap.monitor.monitor import JobMonitor
from gridmap.monitor.outcomes import Outcome
from gridmap.monitor.service import MonitorService
from gridmap.testing import eventually
from gridmap.transport import Counters

IMPATIENT: Final[Mapping[str, object]] = MappingProxyType(
    {"heartbeat_interval": 0.2, "silence_limit": 2.0, "orphan_time": 5.0}
)
"""Settings of a run that gives up soon on runners that fall silent."""


PATIENCE_S: Final = 60.0
"""How long to wait for what an attack brings about: other tests may run beside it."""


@attrs.define
class Siege:
    """One run, from the inside and as those see it who attack it.

    Attributes:
        monitor: The run.
        gate: A file for which its jobs wait.
        expected: What its jobs return, in order.
        events: What it told its observers so far.
        outcomes: What came of its jobs so far, by number.
    """

    monitor: JobMonitor
    gate: Path
    expected: list[int]
    events: list[AnyEvent] = attrs.field(factory=list)
    outcomes: dict[int, Outcome] = attrs.field(factory=dict)
    delivered: int = 0

    @property
    def directory(self) -> Path:
        """The run's directory."""
        engine = self.monitor._engine
        assert engine is not None
        return engine.opened.directory.path

    @property
    def file(self) -> ConnectionFile:
        """The run's connection file."""
        return ConnectionFile.read(self.directory / "connection.json")

    @property
    def service(self) -> MonitorService:
        """The run's thread."""
        engine = self.monitor._engine
        assert engine is not None
        return engine._service

    @property
    def counters(self) -> Counters:
        """What was turned away so far."""
        return self.service._socket.counters

    @property
    def turned_away(self) -> Mapping[str, int]:
        """What was turned away, as the run's last event tells it."""
        (ended,) = self.seen(RunEnded)
        found: Mapping[str, int] = ended.turned_away
        return found

    def seen(self, kind: type[Any], count: int = 1) -> list[Any]:
        """Wait for so many events of a kind and return all there are."""

        def enough() -> list[AnyEvent]:
            found = [event for event in self.events if isinstance(event, kind)]
            return found if len(found) >= count else []

        return eventually(enough, within_s=PATIENCE_S, what=f"{count} {kind.__name__}")

    def handle(self, number: int) -> tuple[str, str | None]:
        """Return job and task of runner *number*."""
        for event in self.seen(RunnersSubmitted):
            if number in event.runners:
                text = event.handles[event.runners.index(number)]
                job, _, task = text.partition(".")
                return job, task or None
        message = f"no runner {number} was submitted"
        raise AssertionError(message)

    def until(self, happened: Callable[[], object], what: str) -> None:
        """Wait for something that the attack brings about."""
        eventually(happened, within_s=PATIENCE_S, what=what, gap_s=0.05)

    def forgo(self, job: int) -> None:
        """Expect nothing of a job that was taken back."""
        self.outcomes[job] = Outcome(job=job, value=self.expected[job])
        self.delivered += 1

    def finish(self) -> None:
        """Let the jobs go on, and see the run come to its correct end."""
        self.gate.touch()
        waiting = self.monitor.outcomes._queue
        while len(self.outcomes) < len(self.expected):
            self.until(lambda: not waiting.empty(), "the next job to end")
            for outcome in self.monitor.outcomes.take():
                self.delivered += 1
                self.outcomes[outcome.job] = outcome
        errors = [o.error for o in self.outcomes.values() if o.error is not None]
        assert errors == []
        values = [self.outcomes[job].value for job in range(len(self.expected))]
        assert values == self.expected
        assert self.delivered == len(self.expected), "a result came twice"


@contextlib.contextmanager
def siege(
    place: Path,
    backend: str = loopback.NAME,
    *,
    jobs: int = 6,
    runners: int = 2,
    honest: int | None = None,
    resume: str | None = None,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[Siege]:
    """Open a run whose jobs wait at a gate, and see that it ends as it should.

    Args:
        place: Where the gate is.
        backend: ``loopback``: TCP; ``local``: a Unix socket; or a scheduler's.
        jobs: How many jobs it has.
        runners: How many runners it may have.
        honest: How many of them are to be up before it is handed out.
        resume: Name under which it keeps a journal; None: it keeps none.
        settings: Further settings of the run.
    """
    place.mkdir(exist_ok=True)
    before = run_threads()
    gate = place / "gate"
    events: list[AnyEvent] = []
    if backend == loopback.NAME:
        settings = {"interface": "lo", **settings}
    with JobMonitor(
        backend=backend,
        name="besieged",
        max_workers=runners,
        resume=resume,
        settings=settings,
        observers=[("test", events.append)],
    ) as monitor:
        calls = [((str(gate), number), None) for number in range(jobs)]
        monitor.add(deeds.square_after, calls)
        monitor.seal()
        run = Siege(monitor, gate, [n * n for n in range(jobs)], events)
        try:
            run.seen(RunnerUp, runners if honest is None else honest)
            yield run
            if len(run.outcomes) < jobs:
                run.finish()
        finally:
            gate.touch()
    assert run_threads() <= before, "the run left threads behind"


def run_threads() -> set[threading.Thread]:
    """Return the threads of runs that live."""
    return {t for t in threading.enumerate() if t.name.startswith("gridmap-")}
