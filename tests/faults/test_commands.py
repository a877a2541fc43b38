"""The scheduler's commands fail, hang and print rubbish under a running map."""

from pathlib import Path

import pytest
from tests.faults import deeds
from tests.faults.conftest import Strike
from tests.faults.programs import Illness, Programs
from tests.faults.struck import SETTINGS
from tests.sites import Site

from gridmap.events import RunnersSubmitted, RunnerUp
from gridmap.testing import eventually
from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def programs(
    cluster_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Programs:
    """Put stand-ins for the scheduler's programs first on PATH."""
    made = Programs(cluster_site.backend, tmp_path / "bin")
    made.install(monkeypatch)
    return made


@pytest.mark.parametrize("illness", ["failing", "hanging", "rubbish"])
def test_a_death_that_nobody_can_be_asked_about_is_lost(
    cluster_site: Site, strike: Strike, programs: Programs, illness: Illness
) -> None:
    """A runner is killed while all queries come to nothing: silence has to do."""
    struck = strike(cluster_site, 24, dict.fromkeys(range(4), deeds.held_once))
    marks = [struck.begun(number) for number in range(4)]
    programs.be(illness)
    struck.strike(0)
    cluster_site.kill(marks[0].node, marks[0].runner)
    event = struck.await_failure(0)
    programs.be("well")
    assert (event.verdict.cause, event.again) == (Cause.LOST, True)
    assert Witness.ACCOUNTING not in {said.witness for said in event.verdict.statements}
    assert struck.seconds(0) < SETTINGS["silence_limit"] + 3
    struck.note(f"kill -9 of a runner, the scheduler's commands {illness}", 0)
    struck.let_go()
    struck.check(retried=[0])


@pytest.mark.parametrize("illness", ["failing", "hanging", "rubbish", "mumbling"])
def test_runners_are_submitted_once_whatever_the_command_says(
    cluster_site: Site,
    strike: Strike,
    programs: Programs,
    illness: Illness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first submission fails, hangs or is taken without an answer; then all is well."""
    monkeypatch.setenv("DRMAA_LIBRARY_PATH", "/no/such/library.so")
    programs.be(illness, programs.submitter)
    struck = strike(cluster_site, 24, dict.fromkeys(range(4), deeds.held))
    eventually(
        lambda: programs.calls(programs.submitter),
        within_s=20,
        what="a submission",
        gap_s=0.05,
    )
    programs.be("well")
    for number in range(4):
        struck.begun(number)
    struck.let_go()
    struck.check()
    assert len(struck.running.of(RunnersSubmitted)) == 1
    assert len({(e.node, e.pid) for e in struck.running.of(RunnerUp)}) == 4
