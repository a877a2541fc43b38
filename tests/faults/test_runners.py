"""Runners that die or seem to, and jobs that stand still or only seem to."""

import signal

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import cause_of
from tests.sites import Site

from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_killed_runners(site: Site, strike: Strike) -> None:
    """Kill -9 of two at once: their jobs run again, once, and all is right."""
    victims = {3: deeds.held_once, 7: deeds.held_once}
    struck = strike(site, 30, victims)
    marks = {number: struck.begun(number) for number in victims}
    for number, mark in marks.items():
        struck.strike(number)
        site.kill(mark.node, mark.runner)
    for number in victims:
        struck.await_failure(number)
    struck.check(retried=victims)
    for number, mark in marks.items():
        verdict = struck.note("kill -9 of a runner", number)
        assert struck.failures(number)[0].again
        assert (verdict.attempt, verdict.node) == (1, mark.node)
        assert verdict.cause is not Cause.KILLED, verdict.explain()
        assert struck.seconds(number) < 5, verdict.explain()


def test_a_runner_told_to_end(site: Site, strike: Strike) -> None:
    """SIGTERM from nobody knows whom: the job runs again or the signal is told."""
    struck = strike(site, 30, {3: deeds.held_once})
    mark = struck.begun(3)
    struck.strike(3)
    site.kill(mark.node, mark.runner, signal.SIGTERM)
    event = struck.await_failure(3)
    verdict = struck.verdict(3)
    struck.check(failed=() if event.again else {3}, retried={3} if event.again else ())
    struck.note("SIGTERM to a runner", 3)
    assert "SIGTERM" in verdict.explain()


def test_a_stopped_runner(site: Site, strike: Strike) -> None:
    """SIGSTOP: silent, though the scheduler shows it; given up when the limit is over."""
    struck = strike(site, 30, {3: deeds.held_once}, settings={"silence_limit": 4.0})
    mark = struck.begun(3)
    struck.strike(3)
    site.kill(mark.node, mark.runner, signal.SIGSTOP)
    struck.await_failure(3)
    struck.check(retried={3})
    verdict = struck.note("SIGSTOP of a runner, silence_limit=4", 3)
    assert Witness.HEARTBEAT in {said.witness for said in verdict.statements}
    assert 3 < struck.seconds(3) < 8, verdict.explain()


def test_standing_still_and_waiting_for_somebody(site: Site, strike: Strike) -> None:
    """What neither computes nor reads nor writes is a stall; what reads slowly is not."""
    struck = strike(
        site,
        20,
        {3: deeds.doze, 5: deeds.wait_for_input, 6: deeds.wait_for_the_network},
        settings={"stall_limit": 3.0, "num_resubmits": 0},
    )
    results = struck.check(failed={3})
    verdict = struck.note("a function that stands still, stall_limit=3", 3)
    assert cause_of(results[3]) is Cause.STALLED
    assert Witness.HEARTBEAT in {said.witness for said in verdict.statements}
    assert 3 <= struck.seconds(3) < 8, verdict.explain()
