"""Nodes that are cut off, die, or are taken out of service under a running map."""

import signal
from typing import Final

import pytest
from tests import traces
from tests.cluster.client import DaemonName, HostName
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import SETTINGS, StruckMap, lasting
from tests.sites import Site

from gridmap.events import RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

CUT: Final[HostName] = "n1"
PATIENT_S: Final = 48.0
GONE: Final = (Cause.LOST, Cause.NODE_LOST)
TOLD: Final = {"sge": GONE, "slurm": (Cause.NODE_LOST,)}
DAEMON: Final[dict[str, DaemonName]] = {"sge": "execd", "slurm": "slurmd"}


def held_on(struck: StruckMap, node: str) -> list[int]:
    """Wait until the first eight jobs are held, and return those on a node."""
    marks = {number: struck.begun(number) for number in range(8)}
    found = [number for number, mark in marks.items() if mark.node == node]
    assert found, marks
    return found


def done(struck: StruckMap, number: int, times: int = 1) -> list[traces.Mark]:
    """Wait until a job ran to its end so often, and return where."""
    return traces.await_marks(struck.place, f"done{number}", times)


def test_a_cable_pulled_for_a_moment_costs_nothing(
    cluster_site: Site, strike: Strike
) -> None:
    """Five seconds without a network, in which jobs end: no verdict, nothing twice."""
    site = cluster_site
    site.broken = True
    every = dict.fromkeys(range(8), deeds.held)
    struck = strike(
        site, 60, deeds=every, max_workers=8, settings={"silence_limit": 40}
    )
    cut = held_on(struck, CUT)
    site.cluster.cable(CUT, up=False)
    struck.let_go()
    for number in cut:
        done(struck, number)
    lasting(5)
    assert not struck.running.over
    site.cluster.cable(CUT, up=True)
    struck.check()
    starts = [event.runner for event in struck.running.of(RunnerUp)]
    assert set(starts) == set(range(1, 9))


def test_a_cut_off_nodes_jobs_run_elsewhere_and_their_late_results_are_dropped(
    cluster_site: Site, strike: Strike
) -> None:
    """The cable is pulled, and plugged in when others have done the node's work."""
    site = cluster_site
    site.broken = True
    every = dict.fromkeys(range(8), deeds.held_once)
    struck = strike(
        site, 40, max_workers=8, deeds={**every, 39: deeds.held_until("end")}
    )
    cut = held_on(struck, CUT)
    for number in cut:
        struck.strike(number)
    site.cluster.cable(CUT, up=False)
    for number in cut:
        event = struck.await_failure(number)
        assert event.again
        assert event.verdict.cause in GONE, event.verdict.explain()
        assert event.verdict.node == CUT
        assert struck.seconds(number) < SETTINGS["silence_limit"] + 3
    struck.note("cable of a node pulled", cut[0])
    struck.let_go()
    for number in cut:
        # Both attempts come to their end, and so to a result.
        assert CUT in {mark.node for mark in done(struck, number, 2)}
    site.cluster.cable(CUT, up=True)
    eventually(
        lambda: not any(node == CUT for node, _ in site.pids()),
        within_s=30,
        what="the runners that were given up to end",
        gap_s=0.1,
    )
    (struck.place / "end").touch()
    struck.check(retried=cut)


def test_a_dead_nodes_jobs_run_elsewhere(cluster_site: Site, strike: Strike) -> None:
    """A node without power says nothing any more; its jobs run on the other one.

    Silence is borne for longer than Slurm takes to miss the node, as it is by default:
    so it is known whose fault it was. Grid Engine's word counts only later.
    """
    site = cluster_site
    site.broken = True
    every = dict.fromkeys(range(8), deeds.held_once)
    limits = {"silence_limit": PATIENT_S, "heartbeat_interval": 2.0}
    struck = strike(site, 40, every, max_workers=8, settings=limits)
    dead = held_on(struck, CUT)
    for number in dead:
        struck.strike(number)
    site.cluster.cable(CUT, up=False)  # a dying kernel does not hang up
    site.cluster.pull_plug(CUT)
    for number in dead:
        verdict = struck.await_failure(number, within_s=60).verdict
        assert verdict.cause in TOLD[site.backend], verdict.explain()
        assert struck.seconds(number) < PATIENT_S + 3
    struck.note("plug of a node pulled", dead[0])
    struck.let_go()
    struck.check(retried=dead)
    site.bury(CUT)
    assert {done(struck, number)[0].node for number in dead} == {"n2"}


def test_without_the_nodes_daemons_jobs_go_on(
    cluster_site: Site, strike: Strike
) -> None:
    """Execd or slurmd killed -9 on one node and the other out of service: no matter."""
    site = cluster_site
    site.broken = True
    struck = strike(site, 40, max_workers=8, deeds=dict.fromkeys(range(8), deeds.held))
    held_on(struck, CUT)
    site.cluster.stop(DAEMON[site.backend], CUT, signum=signal.SIGKILL)
    site.close("n2")
    struck.let_go()
    struck.check()
