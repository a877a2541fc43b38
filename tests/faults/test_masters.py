"""The scheduler's master is away, or hangs, under a running map."""

import time
from typing import Final

import pytest
from tests.cluster.client import DaemonName
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import SETTINGS, StruckMap, lasting
from tests.sites import Site

from gridmap.events import RunnerGone, RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

MASTER: Final[dict[str, DaemonName]] = {"sge": "qmaster", "slurm": "slurmctld"}
OUTAGE_S: Final = 30.0
HANG_S: Final = 12.0


def lose_a_runner(struck: StruckMap) -> int:
    """Kill the runner of job 0, wait until its silence tells, return its number."""
    mark = struck.begun(0)
    struck.strike(0)
    struck.site.kill(mark.node, mark.runner)
    event = struck.await_failure(0)
    assert (event.verdict.cause, event.again) == (Cause.LOST, True)
    assert struck.seconds(0) < SETTINGS["silence_limit"] + 3
    up = struck.running.of(RunnerUp)
    return next(e.runner for e in up if (e.node, e.pid) == (mark.node, mark.runner))


def test_a_master_that_is_away_is_waited_for(
    cluster_site: Site, strike: Strike
) -> None:
    """Half a minute without it: jobs go on, and what needs it waits for it."""
    site = cluster_site
    site.broken = True
    last = dict.fromkeys((1, 59), deeds.held)
    struck = strike(site, 60, {0: deeds.held_once, **last}, max_workers=2)
    struck.begun(1)
    began = time.monotonic()
    site.cluster.stop(MASTER[site.backend])
    lose_a_runner(struck)
    lasting(began + OUTAGE_S - time.monotonic())
    assert not struck.running.over
    site.cluster.start(MASTER[site.backend])
    site.cluster.repair()  # Grid Engine's nodes take half a minute to find it
    struck.begun(0, 2)  # only a new runner can have it: the other one is held
    struck.note("kill -9 of a runner, the master away", 0)
    struck.let_go()
    struck.check(retried=[0])


def test_a_master_that_hangs_is_waited_for(cluster_site: Site, strike: Strike) -> None:
    """It hangs twice: when a runner dies, and when the map comes to its end."""
    site = cluster_site
    site.broken = True
    last = dict.fromkeys((1, 59), deeds.held)
    struck = strike(site, 60, {0: deeds.held_once, **last}, max_workers=2)
    struck.begun(1)
    began = time.monotonic()
    site.cluster.freeze(MASTER[site.backend])
    lost = lose_a_runner(struck)
    lasting(began + HANG_S - time.monotonic())
    site.cluster.thaw(MASTER[site.backend])
    struck.begun(0, 2, within_s=60)
    struck.note("kill -9 of a runner, the master hangs", 0)
    eventually(
        lambda: lost in {event.runner for event in struck.running.of(RunnerGone)},
        within_s=60,
        what="the dead runner to be gone",
        gap_s=0.1,
    )
    site.cluster.freeze(MASTER[site.backend])
    struck.let_go()
    struck.check(retried=[0])
    site.cluster.thaw(MASTER[site.backend])
