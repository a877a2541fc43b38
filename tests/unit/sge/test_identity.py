"""Who a runner is."""

import os
import signal
from pathlib import Path

import pytest

from gridmap.backend import Coming, Handle, Identity
from gridmap.plugins import identify
from gridmap_sge.backend import GridEngineBackend

TASK = {"JOB_ID": "7", "SGE_TASK_ID": "3", "NSLOTS": "2"}


def test_a_task_knows_itself() -> None:
    """By what Grid Engine sets."""
    assert identify(GridEngineBackend(), TASK) == Identity(
        handle=Handle("7", "3"), slots=2
    )


def test_a_job_that_is_no_array_has_no_task() -> None:
    """Grid Engine calls it undefined."""
    environ = {"JOB_ID": "7", "SGE_TASK_ID": "undefined"}
    assert identify(GridEngineBackend(), environ) == Identity(handle=Handle("7"))


@pytest.mark.parametrize(
    "environ",
    [{}, {"JOB_ID": "7"}, {"SGE_TASK_ID": "1"}, {"JOB_ID": "x", "SGE_TASK_ID": "1"}],
)
def test_elsewhere_there_is_nobody(environ: dict[str, str]) -> None:
    """Another scheduler may set one of them."""
    assert identify(GridEngineBackend(), environ).handle is None


def test_the_deadline_counts_from_the_start(tmp_path: Path) -> None:
    """Which is when the execution daemon wrote the job's configuration."""
    config = tmp_path / "config"
    config.touch()
    os.utime(config, (1000, 1000))
    environ = {**TASK, "GRIDMAP_SGE_WALLTIME": "60", "SGE_JOB_SPOOL_DIR": str(tmp_path)}
    assert identify(GridEngineBackend(), environ).deadline == 1060


def test_without_the_spool_it_counts_from_now() -> None:
    """A runner asks at its start."""
    environ = {**TASK, "GRIDMAP_SGE_WALLTIME": "60"}
    assert (identify(GridEngineBackend(), environ).deadline or 0) > 1.6e9


def test_warnings_are_told_where_they_were_asked_for() -> None:
    """Only then do they come."""
    environ = {**TASK, "GRIDMAP_SGE_NOTIFY": "1"}
    warnings = identify(GridEngineBackend(), environ).warnings
    assert set(warnings) == {signal.SIGUSR1, signal.SIGUSR2}
    environ["GRIDMAP_SGE_SOFT_LIMIT"] = "1"
    assert identify(GridEngineBackend(), environ).warnings == warnings


def test_a_soft_limit_warns_of_the_time() -> None:
    """By the signal that with ``-notify`` means a suspension."""
    environ = {**TASK, "GRIDMAP_SGE_SOFT_LIMIT": "1"}
    ((number, notice),) = identify(GridEngineBackend(), environ).warnings.items()
    assert number == signal.SIGUSR1
    assert notice.coming is Coming.TIME_LIMIT
