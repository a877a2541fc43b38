"""The backend passes gridmap's conformance suite, with the real task-spooler."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmap import grid_map
from gridmap.resources import Resources
from gridmap.testing import BackendConformance

SLOTS = 8


def tsp(*words: str) -> str:
    return subprocess.run(["tsp", *words], stdout=-1, text=True, check=True).stdout


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A task-spooler of these tests' own."""
    place = tmp_path_factory.mktemp("tsp")
    place.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TS_SOCKET", str(place / "socket"))
        patch.setenv("TS_SLOTS", str(SLOTS))
        patch.setenv("GRIDMAP_RUNS", str(place / "runs"))
        yield
        tsp("-K")


class TestSpooler(BackendConformance):
    backend = "spooler"


def test_a_map_runs_on_it() -> None:
    """A whole map goes through it."""
    assert grid_map(abs, range(-20, 0), backend="spooler") == list(range(20, 0, -1))


def test_what_would_wait_for_ever_is_refused(tmp_path: Path) -> None:
    """More slots than there are is a mistake, told at once and in words."""
    request = Resources(cores=SLOTS + 1)
    with pytest.raises(Exception, match=f"it has {SLOTS}"):
        grid_map(abs, [1], backend="spooler", resources=request, temp_dir=str(tmp_path))
