"""What administrators and users do to a running map through the scheduler."""

from typing import Final

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import SETTINGS, cause_of, lasting
from tests.sites import Site

from gridmap.events import JobFailed, RunnerPending, RunnersSubmitted
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap.verdict import Cause

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HOLD: Final = {"sge": ("-h",), "slurm": ("--hold",)}


def test_what_a_person_killed_stays_killed(cluster_site: Site, strike: Strike) -> None:
    """Qdel or scancel of a runner in mid-job: KILLED, not run again, others intact."""
    struck = strike(cluster_site, 24, dict.fromkeys(range(4), deeds.held))
    marks = [struck.begun(number) for number in range(4)]
    struck.strike(1)
    cluster_site.cancel(struck.handle(marks[1]))
    event = struck.await_failure(1)
    struck.let_go()
    results = struck.check(failed=[1])
    assert cause_of(results[1]) is Cause.KILLED, str(results[1])
    assert (event.again, event.verdict.attempt) == (False, 1)
    assert struck.seconds(1) < SETTINGS["silence_limit"] + 3
    struck.note("one runner killed through the scheduler", 1)


def test_a_person_may_kill_the_whole_map(cluster_site: Site, strike: Strike) -> None:
    """All runners killed, those that wait too: KILLED for all, and nothing anew."""
    struck = strike(
        cluster_site, 12, dict.fromkeys(range(12), deeds.held), max_workers=12
    )
    for number in range(8):
        struck.begun(number)
    (submitted,) = struck.running.of(RunnersSubmitted)
    (job,) = {handle.partition(".")[0] for handle in submitted.handles}
    for number in range(8):
        struck.strike(number)
    cluster_site.cancel_all(job)
    results = struck.check(failed=range(12))
    wrong = [str(one) for one in results if cause_of(one) is not Cause.KILLED]
    assert not wrong, wrong[0]
    assert len(struck.running.of(RunnersSubmitted)) == 1
    struck.note("all runners killed through the scheduler", 0)


def test_a_suspended_runner_is_neither_dead_nor_stalled(
    cluster_site: Site, strike: Strike
) -> None:
    """Suspended for longer than the silence limit, and resumed: no verdict at all."""
    limits = {"silence_limit": 4, "stall_limit": 4}
    every = dict.fromkeys(range(4), deeds.held_busily)
    struck = strike(cluster_site, 24, every, settings=limits)
    handle = struck.handle(struck.begun(1))
    cluster_site.suspend(handle)
    lasting(2.5 * limits["silence_limit"])
    assert not struck.running.of(JobFailed)
    cluster_site.resume(handle)
    struck.let_go()
    struck.check()


def held(site: Site) -> Resources:
    """Return what makes a job wait until somebody lets it go."""
    return Resources(native=HOLD[site.backend])


@pytest.mark.parametrize("why", ["held", "closed"])
def test_what_never_starts_is_explained(
    cluster_site: Site, strike: Strike, why: str
) -> None:
    """On hold, or with the queues closed: told while it waits, and ended with that."""
    site = cluster_site
    if why == "closed":
        site.broken = True
        site.close("n1")
        site.close("n2")
    resources = held(site) if why == "held" else Resources()
    settings = {"start_timeout": 6}
    struck = strike(site, 8, resources=resources, settings=settings)
    results = struck.check(failed=range(8))
    causes = {cause_of(result) for result in results}
    assert causes == {Cause.NEVER_STARTED}, str(results[0])
    reasons = {event.reason for event in struck.running.of(RunnerPending)}
    told = [reason for reason in reasons if reason and reason in str(results[0])]
    assert told, (reasons, str(results[0]))
    words = ("hold",) if why == "held" else ("disabled", "drain", "DRAIN", "down")
    assert any(word in str(results[0]) for word in words), str(results[0])
    assert len(struck.running.of(RunnersSubmitted)) == 1


def test_closing_the_queues_in_mid_run_costs_time_only(
    cluster_site: Site, strike: Strike
) -> None:
    """What runs goes on; what waits is explained, and runs when they are open again."""
    site = cluster_site
    site.broken = True
    every = dict.fromkeys(range(4), deeds.held)
    struck = strike(site, 8, every, jobs_per_runner=1)
    for number in range(4):
        struck.begun(number)
    site.close("n1")
    site.close("n2")
    struck.let_go()
    reason = eventually(
        lambda: [e.reason for e in struck.running.of(RunnerPending) if e.reason],
        within_s=20,
        what="why the others wait",
        gap_s=0.1,
    )
    assert reason
    assert not struck.running.of(JobFailed)
    site.cluster.repair()
    struck.check()
