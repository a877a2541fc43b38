"""Observers that raise or hang do not disturb a run, nor one another."""

import threading
from typing import Any

import pytest
from tests import jobs
from tests.backends.conftest import LOCAL
from tests.sites import Site

from gridmap import JobMonitor, grid_map
from gridmap.events import AnyEvent, RunEnded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def test_an_observer_that_raises(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, and that is logged once."""
    calls: list[Any] = []

    def fail(event: object) -> None:
        calls.append(event)
        raise LookupError(event)

    results = grid_map(
        jobs.short, range(8), progress=fail, max_workers=2, **site.options
    )
    assert [value for value, _ in results] == [n * n for n in range(8)]
    assert len(calls) == 1
    failed = [r for r in caplog.records if "observer" in r.getMessage()]
    assert len(failed) == 1


@pytest.mark.parametrize("site", [LOCAL], indirect=True)  # it is the user's process
def test_an_observer_that_hangs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The map ends all the same, the others see it to its end, and a word is said."""
    hanging = threading.Event()
    seen: list[AnyEvent] = []

    def sleep(_: object) -> None:
        hanging.wait(30)

    monitor = JobMonitor(
        backend=site.backend,
        name=site.options["name"],
        max_workers=2,
        observers=[("sleeper", sleep), ("watcher", seen.append)],
    )
    with monitor:
        monitor.add(jobs.square, [((number,), None) for number in range(8)])
        found: list[Any] = []
        while len(found) < 8:
            found += [outcome.value for outcome in monitor.outcomes.take()]
    hanging.set()
    assert sorted(found) == [n * n for n in range(8)]
    assert isinstance(seen[-1], RunEnded)
    assert "observer sleeper has not seen all events" in caplog.text
