"""Users' rules for trying again, where real schedulers kill and really have nodes."""

import functools
from pathlib import Path
from typing import Any

import pytest
from tests import jobs, traces
from tests.backends.test_deaths import handle_of, meeting
from tests.background import BackgroundMap
from tests.sites import Site

from gridmap import Escalate, Retry
from gridmap.events import JobFailed, RunnerUp
from gridmap.verdict import Cause, Witness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

HOLDS_MEMORY = Path("/sys/fs/cgroup/memory/cgroup.procs").exists()
MIB = 2**20


def test_a_named_exception_is_tried_again(site: Site, tmp_path: Path) -> None:
    """The same everywhere; each attempt has its number."""
    running = BackgroundMap(
        functools.partial(jobs.succeed_late, str(tmp_path), 1),
        range(3),
        retry=Retry(on=OSError, times=1, delay=0.2),
        **site.options,
    )
    assert running.wait(60) == [0, 1, 4]
    failed = running.of(JobFailed)
    assert sorted(event.job for event in failed) == [0, 1, 2]
    assert {event.verdict.raised[0] for event in failed} == {"ConnectionRefusedError"}


def test_more_memory_where_the_limit_is_one_of_the_process(site: Site) -> None:
    """On this machine and on Grid Engine: a MemoryError, then a larger ``h_vmem``."""
    if site.backend == "slurm":
        pytest.skip("Slurm counts what is used, not what is reserved")
    running = BackgroundMap(
        functools.partial(jobs.hold, touched=False),
        [8, 2500],
        h_vmem="2G",
        retry=Escalate(memory=["6G"]),
        **site.options,
    )
    assert running.wait(60) == [8, 2500]
    (failed,) = running.of(JobFailed)
    assert (failed.job, failed.verdict.raised[0]) == (1, "MemoryError")
    assert "allows this process 2 GiB" in failed.verdict.statements[0].text
    assert failed.resources is not None
    assert failed.resources.memory_limit == 6 * 2**30


@pytest.mark.cluster("slurm")
@pytest.mark.skipif(not HOLDS_MEMORY, reason="no cgroup v1: nothing holds the memory")
@pytest.mark.parametrize("cluster_site", ["slurm"], indirect=True)
def test_more_memory_after_the_kernel_killed(cluster_site: Site) -> None:
    """By Slurm's control group: out of memory, by whoever tells it, then success."""
    running = BackgroundMap(
        jobs.hold,
        [8, 700],
        mem_free="300M",
        retry=Escalate(memory=["1200M"]),
        **cluster_site.options,
    )
    assert running.wait(100) == [8, 700]
    (failed,) = running.of(JobFailed)
    verdict = failed.verdict
    assert (failed.job, verdict.cause) == (1, Cause.OUT_OF_MEMORY), verdict.explain()
    assert verdict.asked_memory == 300 * MIB
    assert failed.resources is not None
    assert failed.resources.memory == 1200 * MIB
    assert "killed by the kernel" in verdict.advise()
    assert Witness.KERNEL in {said.witness for said in verdict.statements}


@pytest.mark.cluster("sge")
@pytest.mark.parametrize("cluster_site", ["sge"], indirect=True)
def test_more_time_after_the_limit_struck(cluster_site: Site) -> None:
    """Grid Engine holds to seconds: killed by ``h_rt``, then given more."""
    running = BackgroundMap(
        jobs.last,
        [0.0, 14.0],
        h_rt=8,
        retry=Escalate(walltime=["0:02:00"]),
        **cluster_site.options,
    )
    assert running.wait(120) == [0.0, 14.0]
    failed = running.of(JobFailed)
    causes = [(event.job, event.verdict.cause) for event in failed]
    assert causes == [(1, Cause.TIME_LIMIT)], [e.verdict.explain() for e in failed]
    assert failed[0].resources is not None
    assert failed[0].resources.walltime == 120


def test_the_node_of_a_death_is_avoided(cluster_site: Site, tmp_path: Path) -> None:
    """Although it is free and takes jobs: the next attempt is kept from it."""
    site = cluster_site
    running = BackgroundMap(meeting(tmp_path, once=True), [3], **site.options)
    mark = traces.await_marks(tmp_path, "job3")[0]
    site.kill(mark.node, mark.runner)
    again = traces.await_marks(tmp_path, "job3", 2, within_s=60)[1]
    (tmp_path / "go").touch()
    assert running.wait(60) == [9]
    (failed,) = running.of(JobFailed)
    assert failed.avoid == {mark.node}
    assert again.node != mark.node
    assert [event.node for event in running.of(RunnerUp)] == [mark.node, again.node]


def test_what_a_person_killed_runs_again_if_that_is_asked_for(
    cluster_site: Site, tmp_path: Path
) -> None:
    """Qdel or scancel of the only runner there is."""
    site = cluster_site
    options: dict[str, Any] = {**site.options, "retry": Retry(on=Cause.KILLED, times=1)}
    running = BackgroundMap(meeting(tmp_path, once=True), [2], **options)
    mark = traces.await_marks(tmp_path, "job2")[0]
    site.cancel(handle_of(running, mark))
    traces.await_marks(tmp_path, "job2", 2, within_s=60)
    (tmp_path / "go").touch()
    assert running.wait(60) == [4]
    (failed,) = running.of(JobFailed)
    assert (failed.verdict.cause, failed.again) == (Cause.KILLED, True)
