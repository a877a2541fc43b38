"""Runs that can be resumed are removed, also when nothing can be written any more."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmap import grid_map
from gridmap.rundir import RunDirectory

FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""
FORGET = """
from gridmap.cli.program import main
raise SystemExit(main(["forget", "sweep", "--yes", "--json"]))
"""


@pytest.fixture
def run(runs: Path) -> Iterator[RunDirectory]:
    """Return the directory of a run that can be resumed."""
    assert grid_map(abs, [-1, -2], backend="local", resume="sweep") == [1, 2]
    (directory,) = RunDirectory.all_named(runs)
    yield directory
    shutil.rmtree(runs / "named", ignore_errors=True)


def told(code: str) -> object:
    """Run a program and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_full_disk_is_no_hindrance(run: RunDirectory) -> None:
    """It is the reason why somebody removes a run."""
    result = told(FULL + FORGET)
    assert result == {"name": "sweep", "results": 2, "ended_runners": 0}
    assert not run.path.exists()


def test_a_run_that_got_no_journal_can_be_removed(run: RunDirectory) -> None:
    """As one that was begun when the disk was full."""
    run.journal.unlink()
    result = told(FULL + FORGET)
    assert result == {"name": "sweep", "results": None, "ended_runners": 0}
    assert not run.path.exists()
