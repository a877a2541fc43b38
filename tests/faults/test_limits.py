"""Limits of memory and of time, as each site enforces them."""

from typing import Any

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.struck import cause_of
from tests.sites import Site

from gridmap.resources import Resources
from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

# Of one process here; of all a job's processes on a cluster, the runner's too.
MEMORY = "200M"
# The least that each enforces; Slurm counts minutes, and looks twice in one.
WALLTIME = {"local": 8, "sge": 8, "slurm": 60}


def test_more_memory_than_allowed(site: Site, strike: Strike) -> None:
    """The job is told of it, by an exception of its own or by who ended it."""
    memory: dict[str, Any] = {"memory_limit": MEMORY}
    struck = strike(
        site,
        20,
        {3: deeds.hungry},
        resources=Resources(**memory),
        settings={"num_resubmits": 1},
    )
    results = struck.check(failed={3})
    verdict = struck.note(f"more memory than memory_limit={MEMORY}", 3)
    if isinstance(results[3], MemoryError):
        assert verdict.cause is Cause.RAISED
    else:
        assert cause_of(results[3]) is Cause.OUT_OF_MEMORY, verdict.explain()
        assert [event.again for event in struck.failures(3)] == [False]


def test_longer_than_allowed(site: Site, strike: Strike) -> None:
    """The job over its time is told of it; the others have all the time they need."""
    walltime = WALLTIME[site.backend]
    struck = strike(
        site, 20, {3: deeds.overtime}, resources=Resources(walltime=walltime)
    )
    results = struck.check(failed={3}, within_s=140)
    verdict = struck.note(f"longer than walltime={walltime}", 3)
    assert cause_of(results[3]) is Cause.TIME_LIMIT, verdict.explain()
    assert Witness.ACCOUNTING in {said.witness for said in verdict.statements}
    assert [event.again for event in struck.failures(3)] == [False]
