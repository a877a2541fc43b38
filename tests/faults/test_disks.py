"""The disk of the run directory is full, before a run and in the middle of one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import traces
from tests.cluster.client import Cluster
from tests.faults import deeds, mischief
from tests.faults.conftest import Strike
from tests.sites import Site

from gridmap import grid_map
from gridmap.errors import RunError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.cluster,  # which has a small disk, on this machine as well
]


class Disk:
    """A small file system that all nodes see."""

    def __init__(self, place: Path) -> None:
        self.runs = place / f"runs-{os.getpid()}"
        self._ballast = place / f"ballast-{os.getpid()}"

    def fill(self) -> None:
        """Leave not a byte."""
        with self._ballast.open("ab", buffering=0) as stream:
            for size in (65_536, 4096, 1):
                try:
                    while stream.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        """Make room."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Return the disk on which the site keeps its runs."""
    cluster = Cluster.find()
    assert cluster is not None
    made = Disk(cluster.small)
    site.runs = made.runs
    monkeypatch.setenv("GRIDMAP_RUNS", str(made.runs))
    yield made
    made.empty()
    assert not traces.directories(made.runs)
    if made.runs.exists():
        made.runs.rmdir()


def test_a_disk_that_fills_up(site: Site, strike: Strike, disk: Disk) -> None:
    """Logs are lost, results are not; a runner that dies then is replaced too."""
    struck = strike(site, 30, {3: deeds.held_once, 5: mischief.flood, 20: deeds.held})
    mark = struck.begun(3)
    disk.fill()
    struck.strike(3)
    site.kill(mark.node, mark.runner)
    struck.await_failure(3)
    struck.begun(20)
    struck.let_go()
    struck.check(retried={3})
    struck.note("kill -9 of a runner, disk full", 3)


def test_a_disk_that_is_full(site: Site, disk: Disk) -> None:
    """No run begins, and it is said why and where."""
    disk.runs.mkdir(mode=0o700)
    disk.fill()
    with pytest.raises(RunError, match="No space left on device") as caught:
        grid_map(deeds.short, [1], **site.options)
    assert str(disk.runs) in str(caught.value)
