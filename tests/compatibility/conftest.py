"""Scripts written for GridMap say nothing of backends: the environment does."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import traces
from tests.cluster.client import Cluster
from tests.sites import SITES, Site

from gridmap.testing import eventually

PLACES = [
    pytest.param("local", id="local"),
    *(
        pytest.param(name, id=name, marks=[pytest.mark.cluster(name), pytest.mark.slow])
        for name in ("sge", "slurm")
    ),
]


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where runs are kept; settings are GridMap's defaults."""
    for name in os.environ:
        if name.startswith("GRIDMAP_") and not name.startswith("GRIDMAP_TEST_"):
            monkeypatch.delenv(name)
    place = tmp_path / "runs"
    monkeypatch.setenv("GRIDMAP_RUNS", str(place))
    monkeypatch.setenv("GRIDMAP_KEEP_LOGS", "never")
    return place


@pytest.fixture(params=PLACES)
def site(
    request: pytest.FixtureRequest, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Let maps that name no backend run in each place; nothing is left there."""
    monkeypatch.setenv("GRIDMAP_BACKEND", request.param)
    made = SITES[request.param](runs, Cluster.find())
    yield made
    eventually(
        lambda: not made.pids() and not traces.directories(runs),
        within_s=10,
        what="runners and directories to be gone",
        gap_s=0.1,
    )
