"""Slurm with slurmdbd: deaths are told from accounting, and without it when it fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.client import Cluster
from tests.faults import deeds
from tests.faults.conftest import Strike, sited
from tests.faults.struck import SETTINGS, cause_of
from tests.sites import Site

from gridmap.resources import Resources
from gridmap.verdict import Cause, Witness

pytestmark = [
    pytest.mark.cluster("slurm"),
    pytest.mark.slow,
    pytest.mark.timeout(150),
]

HOLDS_MEMORY = Path("/sys/fs/cgroup/memory/cgroup.procs").exists()
MINUTE_S = 60.0
SLURM_LOOKS_S = 45.0
"""Slurm counts minutes, looks twice in each, and then waits for ``KillWait``."""


@pytest.fixture(scope="module")
def slurmdbd() -> Iterator[None]:
    """Give Slurm accounting while these tests run."""
    cluster = Cluster.find()
    assert cluster is not None
    cluster.accounting(wanted=True)
    yield
    cluster.accounting(wanted=False)


@pytest.fixture
def site(
    slurmdbd: None,  # noqa: ARG001 - it is up first
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    map_name: str,
    plain_settings: None,  # noqa: ARG001 - likewise
) -> Iterator[Site]:
    """Return Slurm, with accounting."""
    yield from sited("slurm+slurmdbd", tmp_path, monkeypatch, map_name)


@pytest.mark.skipif(not HOLDS_MEMORY, reason="no cgroup v1: nothing holds the memory")
def test_every_death_is_told_from_accounting(site: Site, strike: Strike) -> None:
    """Too much memory, too much time, scancel and kill -9, in one map."""
    some = {0: deeds.hungry, 1: deeds.held, 2: deeds.overtime, 3: deeds.held_once}
    asked = Resources(memory_limit="200M", walltime=MINUTE_S)
    struck = strike(site, 24, some, resources=asked)
    marks = {number: struck.begun(number) for number in (1, 3)}
    struck.strike(1)
    site.cancel(struck.handle(marks[1]))
    struck.strike(3)
    site.kill(marks[3].node, marks[3].runner)
    for number in (0, 1, 3):
        struck.await_failure(number)
    struck.let_go()
    results = struck.check({0, 1, 2}, retried={3}, within_s=MINUTE_S + SLURM_LOOKS_S)
    assert cause_of(results[0]) is Cause.OUT_OF_MEMORY, str(results[0])
    assert cause_of(results[1]) is Cause.KILLED, str(results[1])
    assert cause_of(results[2]) is Cause.TIME_LIMIT, str(results[2])
    struck.note("more memory than memory_limit=200M", 0)
    struck.note("one runner killed through the scheduler", 1)
    struck.note("longer than walltime=60", 2)
    struck.note("kill -9 of a runner", 3)
    for number in (1, 3):
        assert struck.seconds(number) < SETTINGS["silence_limit"] + 3
        said = struck.verdict(number).statements
        assert Witness.ACCOUNTING in {one.witness for one in said}


def test_accounting_that_fails_is_done_without(site: Site, strike: Strike) -> None:
    """Slurmdbd ends in mid-run: the controller still knows who killed a runner."""
    site.broken = True
    struck = strike(site, 24, dict.fromkeys(range(4), deeds.held))
    mark = struck.begun(1)
    site.cluster.stop("slurmdbd")
    struck.strike(1)
    site.cancel(struck.handle(mark))
    struck.await_failure(1)
    struck.let_go()
    results = struck.check(failed=[1])
    assert cause_of(results[1]) is Cause.KILLED, str(results[1])
    verdict = struck.note("scancel of a runner, slurmdbd away", 1)
    assert Witness.ACCOUNTING in {said.witness for said in verdict.statements}
