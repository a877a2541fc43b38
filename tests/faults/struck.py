"""A running map of many jobs into which a fault is put, and what must hold of it.

Whatever the fault: every other job's result is right, each value is delivered exactly
once, no job runs to its end twice, and no job has a verdict that was not expected.
That queue, nodes and run directory are clean afterwards is the `site` fixture's part.
"""

import functools
import socket
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from tests import traces
from tests.background import BackgroundMap
from tests.faults.deeds import Deed, perform, strike
from tests.faults.records import Record, Records
from tests.sites import Site

from gridmap.errors import JobException
from gridmap.events import JobFailed, JobsDone, RunEnded, RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause, Verdict

SETTINGS: Final = {
    "heartbeat_interval": 0.5,
    "silence_limit": 8.0,
    "query_interval": 1.0,
    "orphan_time": 60.0,
    "query_budget": 1000,
}
"""Short enough for a test, long enough for a machine that is busy with others; and as
many questions as such short times lead to, which all tests' runs have to share."""


class StruckMap:
    """A map in the background; see `BackgroundMap`.

    Attributes:
        site: Where it runs.
        place: The test's directory, which all nodes see.
        count: How many jobs it has.
        running: The map itself, with its events.
    """

    def __init__(
        self,
        site: Site,
        place: Path,
        records: Records,
        count: int = 24,
        deeds: Mapping[int, Deed] | None = None,
        **options: Any,
    ) -> None:
        """Start it.

        Args:
            site: Where it runs.
            place: Where its jobs leave their marks.
            records: Where to note what was measured.
            count: How many jobs.
            deeds: What some of them do; the others take a twentieth of a second.
            options: For `grid_map`, before what is usual here; ``settings`` are
                joined to `SETTINGS`.
        """
        self.site, self.place, self.count = site, place, count
        self._records = records
        settings = {**SETTINGS, **options.pop("settings", {})}
        usual = {"max_workers": 4, "return_exceptions": True, **site.options}
        self.running = BackgroundMap(
            functools.partial(perform, str(place), dict(deeds or {})),
            range(count),
            **{**usual, "settings": settings, **options},
        )

    # While it runs ------------------------------------------------------------------

    def begun(self, job: int, attempt: int = 1, within_s: float = 40.0) -> traces.Mark:
        """Wait until a job runs for the n-th time, and return where and in whom."""
        return traces.await_marks(self.place, f"job{job}", attempt, within_s)[-1]

    def done(self, job: int) -> list[traces.Mark]:
        """Return where and in whom a job ran to its end, so far, oldest first."""
        return traces.marks(self.place, f"done{job}")

    def handle(self, mark: traces.Mark) -> str:
        """Return the scheduler's handle of the runner that left a mark."""

        def known() -> str | None:
            for event in self.running.of(RunnerUp):
                if (event.node, event.pid) == (mark.node, mark.runner):
                    return event.handle
            return None

        handle = eventually(known, within_s=10, what="the runner's hello", gap_s=0.05)
        assert handle is not None
        return handle

    def strike(self, job: int) -> None:
        """Mark that a job is about to meet its fault, for the time it takes to tell."""
        strike(str(self.place), job)

    def failures(self, job: int) -> list[JobFailed]:
        """Return what was told of a job's attempts that ended badly, so far."""
        return [event for event in self.running.of(JobFailed) if event.job == job]

    def await_failure(
        self, job: int, attempt: int = 1, within_s: float = 40.0
    ) -> JobFailed:
        """Wait until it is told that the n-th attempt of a job ended badly."""

        def told() -> JobFailed | None:
            found = self.failures(job)
            return found[attempt - 1] if len(found) >= attempt else None

        what = f"the end of attempt {attempt} of job {job}"
        event = eventually(told, within_s=within_s, what=what, gap_s=0.05)
        assert event is not None
        return event

    def let_go(self) -> None:
        """Let all that are held go on."""
        (self.place / "go").touch()

    def wait(self, within_s: float = 60.0) -> list[Any]:
        """Return what came of each job; what was returned or what would be raised."""
        results = self.running.wait(within_s)
        assert isinstance(results, list), results
        return results

    # Afterwards ---------------------------------------------------------------------

    def check(
        self,
        failed: Collection[int] = (),
        *,
        retried: Collection[int] = (),
        spoilt: Collection[int] = (),
        within_s: float = 60.0,
    ) -> list[Any]:
        """Wait for the end, and see that everything but the fault went well.

        Args:
            failed: The jobs that end badly.
            retried: The jobs of which attempts end badly, and which then succeed.
            spoilt: Those of the failed whose values arrive, and are of no use here.
            within_s: How long to wait.

        Returns:
            What came of each job.
        """
        results = self.wait(within_s)
        well = set(range(self.count)) - set(failed)
        wrong = {n: results[n] for n in well if not _equals(results[n], n * n)}
        assert not wrong, f"wrong results: {_texts(wrong)}"
        alive = {n: results[n] for n in failed if not isinstance(results[n], Exception)}
        assert not alive, f"these should have failed: {alive}"
        self._check_events(set(failed) - set(spoilt), set(retried))
        self._check_marks(well)
        return results

    def _check_events(self, failed: set[int], retried: set[int]) -> None:
        """Each job ends once, well or badly, and nothing failed that should not."""
        delivered: Counter[int] = Counter()
        for done in self.running.of(JobsDone):
            delivered.update(range(done.first, done.stop))
        ended = Counter(e.job for e in self.running.of(JobFailed) if not e.again)
        again = {e.job: e.verdict for e in self.running.of(JobFailed) if e.again}
        assert ended == Counter(failed)
        assert delivered == Counter(set(range(self.count)) - failed)
        surprises = {n: v for n, v in again.items() if n not in failed | retried}
        assert not surprises, _texts(surprises)
        assert retried <= set(again)
        assert len(self.running.of(RunEnded)) == 1

    def _check_marks(self, well: set[int]) -> None:
        """No value comes of nothing, and no job ran to its end twice without need.

        Need there is where its runner died after it, before the result was told.
        """
        dead = self._dead_runners()
        for job in range(self.count):
            done = self.done(job)
            assert done or job not in well, f"job {job} has a value, but never ran"
            living = [m for m in done if (m.node, m.runner) not in dead]
            assert len(living) <= 1, f"job {job} ran to its end needlessly: {done}"

    def _dead_runners(self) -> set[tuple[str, int]]:
        """Return node and process of the runners in which a job's attempt ended."""
        handles = {event.verdict.runner for event in self.running.of(JobFailed)}
        up = self.running.of(RunnerUp)
        return {(event.node, event.pid) for event in up if event.handle in handles}

    # What it shows ------------------------------------------------------------------

    def verdict(self, job: int, attempt: int = 1) -> Verdict:
        """Return the verdict on an attempt of a job that ended badly."""
        return self.failures(job)[attempt - 1].verdict

    def seconds(self, job: int, attempt: int = 1) -> float:
        """Return how long after a fault struck a job that was told."""
        (at, *_) = sorted(
            path.stat().st_mtime for path in self.place.glob(f"struck{job}.*")
        )
        return self.failures(job)[attempt - 1].at - at

    def note(self, fault: str, job: int, attempt: int = 1) -> Verdict:
        """Record what was told of a fault, and how long after it struck.

        Args:
            fault: What it was, as the table of measured bounds says it.
            job: A job it struck; see `strike` here and in `deeds`.
            attempt: Which of its attempts that ended badly.
        """
        event = self.failures(job)[attempt - 1]
        self._records.add(
            Record(
                site=self.site.label,
                fault=fault,
                cause=event.verdict.cause.value,
                witnesses=_witnesses(event.verdict),
                seconds=self.seconds(job, attempt),
                again=event.again,
            )
        )
        self._records.explain(f"{fault}, {self.site.label}", event.verdict)
        return event.verdict

    def node_names(self) -> set[str]:
        """Return the names that verdicts may give to nodes."""
        return {node or socket.gethostname() for node in self.site.nodes}


def lasting(seconds: float) -> None:
    """Let a fault last as long as it is meant to."""
    threading.Event().wait(seconds)


def cause_of(result: object) -> Cause:
    """Return the cause in what a job ended with."""
    assert isinstance(result, JobException), repr(result)
    return result.verdict.cause


def _witnesses(verdict: Verdict) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said.witness.value for said in verdict.statements))


def _equals(result: object, value: int) -> bool:
    return isinstance(result, int) and result == value


def _texts(found: Mapping[int, object]) -> str:
    def text(item: object) -> str:
        return item.explain() if isinstance(item, Verdict) else str(item)

    return "\n".join(f"job {n}: {text(item)}" for n, item in found.items())
