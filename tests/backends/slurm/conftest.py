"""A run on the real Slurm, and the means to do harm to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.client import Cluster

from gridmap.plugins import installed
from gridmap.resources import Resources
from gridmap.testing import Trial
from gridmap.testing.trial import Bounds

BOUNDS = Bounds(start_s=30.0, end_s=30.0, kill_s=30.0, account_s=30.0)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """One run; whatever is left of it is killed."""
    run = Trial(installed().find("slurm"), tmp_path / "trial", Resources(), BOUNDS)
    yield run
    run.finish()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The cluster, as its administrator has it; every fault is undone."""
    found = Cluster.find()
    assert found is not None, "the marker skips tests where there is no cluster"
    yield found
    found.repair()
