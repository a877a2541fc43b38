"""Jobs that hold up the others are begun a second time, wherever runners are."""

import functools
from pathlib import Path

import pytest
from tests import jobs, traces
from tests.background import BackgroundMap
from tests.sites import Site

from gridmap.events import JobFailed, JobsDone, JobSpeculated, SpeculationEnded
from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

COUNT = 8
SQUARES = [number * number for number in range(COUNT)]


def test_a_map_does_not_wait_for_a_job_that_hangs(site: Site, tmp_path: Path) -> None:
    """Its first attempt never ends; the second does, elsewhere, and counts once."""
    function = functools.partial(jobs.meet_one, str(tmp_path), 0, once=True)
    running = BackgroundMap(
        function, range(COUNT), max_workers=2, speculate=True, **site.options
    )
    assert running.wait(100.0) == SQUARES
    (begun,), (ended,) = running.of(JobSpeculated), running.of(SpeculationEnded)
    assert (begun.job, begun.attempt) == (0, 2)
    assert (ended.job, ended.attempt, ended.outcome) == (0, 2, "won")
    done = [j for e in running.of(JobsDone) for j in range(e.first, e.stop)]
    assert sorted(done) == list(range(COUNT))
    assert not running.of(JobFailed)
    first, second = traces.marks(tmp_path, "job0")
    assert (first.node, first.runner) != (second.node, second.runner)


def test_the_second_goes_on_where_the_firsts_runner_is_killed(
    site: Site, tmp_path: Path
) -> None:
    """Kill -9 of a runner whose job runs elsewhere too: no third attempt is begun."""
    function = functools.partial(jobs.meet_one, str(tmp_path), 0)
    running = BackgroundMap(
        function, range(COUNT), max_workers=2, speculate=True, **site.options
    )
    first, _ = traces.await_marks(tmp_path, "job0", 2, within_s=60.0)
    site.kill(first.node, first.runner)
    eventually(lambda: running.of(JobFailed), within_s=60, what="its end", gap_s=0.1)
    (tmp_path / "go").touch()
    assert running.wait(60.0) == SQUARES
    (failed,), (ended,) = running.of(JobFailed), running.of(SpeculationEnded)
    assert (failed.job, failed.again, failed.verdict.attempt) == (0, True, 1)
    assert failed.verdict.node == first.node
    assert (ended.outcome, ended.attempt) == ("took over", 2)
    assert len(traces.marks(tmp_path, "job0")) == 2
