"""What is finished is told soon, whatever else is running."""

import sys
import time
from pathlib import Path

import pytest
from tests import jobs

from gridmap import GridExecutor, grid_map
from gridmap.errors import JobException
from gridmap.verdict import Cause


def test_quick_results_do_not_wait_for_a_long_job(tmp_path: Path) -> None:
    """Results of quick jobs gather in the worker, but not behind an hour's job."""
    open_door, closed_door = tmp_path / "open", tmp_path / "closed"
    open_door.mkdir()
    closed_door.mkdir()
    (open_door / "go").touch()
    with GridExecutor(1, backend="local") as executor:
        # Only of jobs known to be quick are several handed over at a time.
        list(executor.map(jobs.meet, [str(open_door)] * 300, range(300)))
        doors = [*[open_door] * 60, closed_door]
        futures = [executor.submit(jobs.meet, str(d), n) for n, d in enumerate(doors)]
        assert [f.result(20) for f in futures[:60]] == [n * n for n in range(60)]
        assert not futures[60].done()
        (closed_door / "go").touch()
        assert futures[60].result(20) == 3600


def test_no_job_waits_behind_a_long_one_while_a_runner_is_idle(tmp_path: Path) -> None:
    """Quick jobs are handed to workers by the hundred: from there, too, they come back.

    Were the next job not begun elsewhere, the one before it would never end.
    """
    count, needy = 2000, 1500
    calls = [[str(tmp_path), needy, number] for number in range(count)]
    results = grid_map(jobs.need_the_next, calls, backend="local", max_workers=2)
    assert results == list(range(count))


def test_a_missing_package_is_told_at_once(tmp_path: Path) -> None:
    """There is one machine and one Python: trying again would change nothing."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import no_such_package"\n')
    python.chmod(0o755)
    before = time.monotonic()
    with pytest.raises(JobException, match="no_such_package") as caught:
        grid_map(jobs.square, [1], backend="local", settings={"python": str(python)})
    assert time.monotonic() - before < 3
    assert caught.value.verdict.cause is Cause.ENVIRONMENT_BROKEN
