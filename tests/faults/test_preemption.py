"""Runners that are taken off their nodes and come back under the same id."""

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import StruckMap
from tests.sites import Site

from gridmap.events import RunnersSubmitted
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SLURM = [pytest.param("slurm", marks=pytest.mark.cluster("slurm"))]
PATIENT: dict[str, float] = {"silence_limit": 40.0}
"""A requeued Slurm job waits for eleven seconds here, for two minutes by default."""


def held_map(site: Site, strike: Strike) -> tuple[StruckMap, dict[int, str]]:
    """Start a map with four held jobs, and return the node of each."""
    every = dict.fromkeys(range(4), deeds.held_once)
    struck = strike(site, 24, every, settings=PATIENT)
    return struck, {number: struck.begun(number).node for number in range(4)}


# Grid Engine has no preemption but suspension.
@pytest.mark.parametrize("cluster_site", SLURM, indirect=True)
def test_preempted_runners_come_back(cluster_site: Site, strike: Strike) -> None:
    """An urgent job takes a node: PREEMPTED, and the same runners do the work later."""
    site = cluster_site
    struck, nodes = held_map(site, strike)
    preempted = [number for number, node in nodes.items() if node == nodes[0]]
    for number in preempted:
        struck.strike(number)
    urgent = ["sbatch", "-p", "urgent", "-c", "4", "-w", nodes[0], "-o", "/dev/null"]
    site.cluster.run("head", [*urgent, "--wrap", "sleep 1"], check=True)
    for number in preempted:
        event = struck.await_failure(number)
        assert (event.verdict.cause, event.again) == (Cause.PREEMPTED, True)
        assert event.verdict.node == nodes[0]
        struck.begun(number, 2)
    struck.note("preempted", preempted[0])
    struck.let_go()
    struck.check(retried=preempted)
    assert len(struck.running.of(RunnersSubmitted)) == 1


def test_a_runner_that_is_rescheduled_comes_back(
    cluster_site: Site, strike: Strike
) -> None:
    """Qmod -rj, scontrol requeue: its job runs again, in the same runner's next life."""
    struck, _ = held_map(cluster_site, strike)
    struck.strike(1)
    cluster_site.requeue(struck.handle(struck.begun(1)))
    event = struck.await_failure(1)
    assert (event.verdict.cause, event.again) == (Cause.PREEMPTED, True), event
    struck.begun(1, 2)
    struck.note("put back into the queue", 1)
    struck.let_go()
    struck.check(retried=[1])
    assert len(struck.running.of(RunnersSubmitted)) == 1
