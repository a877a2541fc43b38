"""How often real schedulers are asked, counted where their programs are called."""

import contextlib
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests import jobs
from tests.driver import Driver, driving
from tests.sites import Site

from gridmap import JobMonitor, grid_map
from gridmap.events import JobsDone, RunEnded, RunnersSubmitted, RunnerUp
from gridmap.testing import eventually

_log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROGRAMS = {
    "sge": ("qstat", "qsub", "qdel", "qacct", "qconf", "qalter", "qmod"),
    "slurm": ("squeue", "sbatch", "scancel", "sacct", "scontrol", "sinfo"),
}
LOOKS = {"sge": "qstat -xml -u", "slurm": "squeue"}
START_UP_S = 30.0
SLOTS = 8
LARGEST_ARRAY = 500
KILLS = ("qdel", "scancel")

WAITING = """
    import sys, time
    from pathlib import Path
    from gridmap import JobMonitor
    from tests import jobs

    backend, name, budget, place = sys.argv[1:]
    settings = {"query_interval": "5s", "query_budget": budget}
    with JobMonitor(
        backend=backend, name=name, max_workers=4, settings=settings
    ) as monitor:
        try:
            monitor.add(jobs.square, [((number,), None) for number in range(40)])
            monitor.seal()
            Path(place, "waits").touch()
            while not Path(place, "enough").exists():
                time.sleep(0.1)
            print(monitor.queries.get("observe", 0), flush=True)
            raise SystemExit
        except KeyboardInterrupt:
            Path(place, "interrupted").touch()
            raise
"""


@attrs.frozen
class Call:
    """One call of a scheduler's program: when, seconds since the epoch, and what."""

    at: float
    line: str


class Counter:
    """Stands between the user and the scheduler's programs."""

    def __init__(self, site: Site, place: Path) -> None:
        self._log = place / "calls"
        self._log.touch()
        self._look = LOOKS[site.backend]
        self.folder = place / "bin"
        self.folder.mkdir()
        for name in PROGRAMS[site.backend]:
            real = shutil.which(name)
            if real is None:
                continue
            wrapper = self.folder / name
            wrapper.write_text(
                "#!/bin/sh\n"
                f'echo "$(/bin/date +%s.%N) {name} $*" >> {self._log}\n'
                f'exec {real} "$@"\n'
            )
            wrapper.chmod(0o755)

    @property
    def calls(self) -> list[Call]:
        """All so far, in order."""
        lines = self._log.read_text().splitlines()
        parts = [line.split(" ", 1) for line in lines]
        return sorted((Call(float(at), line) for at, line in parts), key=lambda c: c.at)

    def looks(self, since: float = 0.0) -> list[Call]:
        """Return the looks at the user's jobs since then."""
        return [c for c in self.calls if c.line.startswith(self._look) and c.at > since]


@pytest.fixture
def counter(
    cluster_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Counter:
    """Put the counting programs first on PATH."""
    place = tmp_path / "counted"
    place.mkdir()
    made = Counter(cluster_site, place)
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SGE_ARCH", "none")  # whose programs come before those on PATH
    return made


def test_five_thousand_jobs_cost_a_query_a_minute(
    cluster_site: Site, counter: Counter
) -> None:
    """With a thousand runners asked for and eight at work, all of them healthy."""
    events: list[Any] = []
    began = time.time()
    results = grid_map(
        jobs.last,
        [0.13] * 5000,
        max_workers=1000,
        progress=events.append,
        **cluster_site.options,
    )
    assert len(results) == 5000
    done = max(event.at for event in events if isinstance(event, JobsDone))
    assert sum(isinstance(event, RunnerUp) for event in events) == SLOTS
    calls = counter.calls
    # Runners nobody needs are taken out of the queue while the last jobs run.
    end = done - 3
    healthy = [c.at for c in calls if began + START_UP_S < c.at < end]
    story = "\n".join(f"{c.at - began:7.1f} {c.line[:100]}" for c in calls)
    _log.info("%.1f s to the last result\n%s", done - began, story)
    assert done - began > 70
    assert len(healthy) <= 1 + (end - began - START_UP_S) / 60, story
    for at in healthy:
        assert sum(at <= other < at + 60 for other in healthy) == 1, story
    assert sum(c.at <= began + START_UP_S for c in calls) <= 10, story
    assert sum(c.at >= end for c in calls) <= 4, story
    (ended,) = [event for event in events if isinstance(event, RunEnded)]
    drmaa = 3 if cluster_site.backend == "sge" else 0  # a session and two submissions
    assert sum(ended.queries.values()) == len(calls) + drmaa, (ended, story)


class EnoughError(Exception):
    """The test has seen what it wanted."""


def test_a_thousand_runners_are_no_more_submissions_than_arrays(
    cluster_site: Site, counter: Counter, tmp_path: Path
) -> None:
    """Arrays of the site's largest size; and one request takes them out again."""
    submitted = threading.Event()

    def watch(event: object) -> None:
        if isinstance(event, RunnersSubmitted) and len(event.handles) == 1000:
            submitted.set()

    monitor = JobMonitor(
        backend=cluster_site.backend,
        name=cluster_site.options["name"],
        max_workers=1000,
        observers=[("test", watch)],
    )
    with contextlib.suppress(EnoughError), monitor:
        calls = [((tmp_path / "gate",), None) for _ in range(1000)]
        monitor.add(jobs.await_file, calls, final=True)
        assert submitted.wait(60)
        raise EnoughError
    session = cluster_site.backend == "sge"
    assert monitor.queries["submit"] == 1000 // LARGEST_ARRAY + session
    kills = [c.line for c in counter.calls if c.line.startswith(KILLS)]
    _log.info("%s; %s", monitor.queries, [line[:100] for line in kills])
    assert 1 <= len(kills) <= 2, kills  # once more for one that starts just then


@contextlib.contextmanager
def full(site: Site, place: Path) -> Iterator[None]:
    """Keep every slot of the cluster busy."""
    up = threading.Semaphore(0)

    def watch(event: object) -> None:
        if isinstance(event, RunnerUp):
            up.release()

    with JobMonitor(
        backend=site.backend,
        name=site.options["name"],
        max_workers=SLOTS,
        observers=[("test", watch)],
    ) as monitor:
        gate = place / "gate"
        calls = [((gate,), None) for _ in range(SLOTS)]
        monitor.add(jobs.await_file, calls, final=True)
        for _ in range(SLOTS):
            assert up.acquire(timeout=60)
        yield
        gate.touch()
        list(monitor.outcomes.take())


def wait_in_queue(
    site: Site, place: Path, budget: int, number: int = 0
) -> contextlib.AbstractContextManager[Driver]:
    """Start a script whose runners find no room."""
    where = place / f"run{number}"
    where.mkdir()
    root = str(Path(__file__).resolve().parents[2])
    return driving(
        where,
        WAITING,
        site.backend,
        site.options["name"],
        str(budget),
        str(where),
        environ={"PYTHONPATH": root},
    )


def test_runs_of_a_user_share_what_they_ask(
    cluster_site: Site, counter: Counter, tmp_path: Path
) -> None:
    """Three scripts whose runners wait cost the scheduler hardly more than one."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(full(cluster_site, tmp_path))
        drivers = [
            stack.enter_context(wait_in_queue(cluster_site, tmp_path, 60, number))
            for number in range(3)
        ]
        for number in range(3):
            path = tmp_path / f"run{number}" / "waits"
            eventually(path.exists, within_s=60, what=f"run {number} to be open")
        began = time.time()
        eventually(
            lambda: len(counter.looks(began)) >= 5, within_s=60, what="five looks"
        )
        seconds = time.time() - began
        looks = len(counter.looks(began))
        for number in range(3):
            (tmp_path / f"run{number}" / "enough").touch()
        own = [int(driver.output(60)) for driver in drivers]
    _log.info("%d looks in %.0f s for three runs, which put %s", looks, seconds, own)
    # Each asks every five seconds, or takes what another asked for in these.
    assert looks <= seconds / 5 + 3
    assert looks <= sum(own) <= looks + 3


def test_a_spent_budget_delays_neither_kill_nor_submission(
    cluster_site: Site, counter: Counter, tmp_path: Path
) -> None:
    """One look a minute is allowed; Ctrl-C and another map take no notice."""
    began = time.time()
    with contextlib.ExitStack() as stack:
        stack.enter_context(full(cluster_site, tmp_path))
        driver = stack.enter_context(wait_in_queue(cluster_site, tmp_path, 1))
        eventually(
            lambda: len(counter.looks(began)) == 1, within_s=60, what="the one look"
        )
        due = time.time() + 7
        eventually(lambda: time.time() > due, within_s=10, what="seven seconds")
        assert len(counter.looks(began)) == 1
        before = time.monotonic()
        os.killpg(driver.process.pid, signal.SIGINT)
        driver.process.wait(30)
        killed_s = time.monotonic() - before
        assert (tmp_path / "run0" / "interrupted").exists()
    before = time.monotonic()
    results = grid_map(
        jobs.square, range(8), settings={"query_budget": 1}, **cluster_site.options
    )
    mapped_s = time.monotonic() - before
    _log.info("killed in %.1f s, mapped in %.1f s", killed_s, mapped_s)
    assert results == [number**2 for number in range(8)]
    assert killed_s < 15
    assert mapped_s < 20
