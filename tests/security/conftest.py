"""Runs of their own for these tests, and a backend that speaks TCP on this machine."""

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from tests import traces
from tests.security import loopback
from tests.security.besieged import IMPATIENT, Siege, siege

from gridmap import plugins
from gridmap.testing import eventually

ROOT = Path(__file__).parents[2]


HERE = Path(__file__).parent
LONGEST_S = 150
"""A run takes two seconds here, and twenty times as long on a machine that is busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of whole runs time enough, where they do not say for themselves."""
    for item in items:
        if item.path.is_relative_to(HERE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONGEST_S))


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return where runs are kept; afterwards nothing of them is left."""
    place = tmp_path / "runs"
    monkeypatch.setenv("GRIDMAP_RUNS", str(place))
    monkeypatch.setenv("GRIDMAP_KEEP_LOGS", "never")
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{path}" if path else str(ROOT))
    entries = [*metadata.entry_points(group=plugins.GROUP), loopback.ENTRY]
    known = plugins.Plugins(entries)
    monkeypatch.setattr(plugins, "installed", lambda: known)
    yield place
    eventually(
        lambda: not traces.processes(place),
        within_s=10,
        what="all runners and workers to be gone",
        gap_s=0.02,
    )
    assert traces.directories(place) == []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Siege]:
    """Return a run of an honest runner and one whose place the test takes."""
    monkeypatch.setenv(loopback.ROGUES, "2")
    with siege(tmp_path / "place", honest=1, settings=IMPATIENT) as run:
        yield run
