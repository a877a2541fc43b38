"""One fixture makes a test run on this machine, on Grid Engine and on Slurm."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import traces
from tests.cluster.client import Cluster
from tests.sites import SITES, Site

from gridmap.testing import eventually

LOCAL = pytest.param("local", id="local")
CLUSTERS = [
    pytest.param(name, id=name, marks=pytest.mark.cluster(name))
    for name in ("sge", "slurm")
]


def make_site(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a site whose runs are kept below *place*."""
    runs = place / "runs"
    monkeypatch.setenv("GRIDMAP_RUNS", str(runs))
    monkeypatch.setenv("GRIDMAP_KEEP_LOGS", "never")
    return SITES[name](runs, Cluster.find())


def check_left(site: Site, map_name: str) -> None:
    """See to it that queue, nodes and directory are as they were."""
    site.await_end(map_name)
    eventually(
        lambda: not traces.directories(site.runs),
        within_s=5,
        what="the directories of runs to be gone",
        gap_s=0.05,
    )


@pytest.fixture
def map_name() -> str:
    """Return a name that only this test's maps have."""
    return f"e2e-{secrets.token_hex(4)}"


@pytest.fixture(params=[LOCAL, *CLUSTERS])
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    map_name: str,
) -> Iterator[Site]:
    """Return each place in turn; afterwards nothing is left of the test there."""
    made = make_site(request.param, tmp_path, monkeypatch)
    made.options["name"] = map_name
    yield made
    check_left(made, map_name)


@pytest.fixture(params=CLUSTERS)
def cluster_site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    map_name: str,
) -> Iterator[Site]:
    """Return each cluster in turn; see `site`."""
    made = make_site(request.param, tmp_path, monkeypatch)
    made.options["name"] = map_name
    yield made
    check_left(made, map_name)
