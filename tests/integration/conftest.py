"""What holds for all maps here: runs of their own, and nothing left behind."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import traces

from gridmap import grid_map
from gridmap.testing import eventually

# What GridMap's users have in their environment, and a developer may have too.
FOREIGN = ("GRIDMAP_", "HEARTBEAT_", "MAX_TIME_", "NUM_RESUBMITS", "DEFAULT_QUEUE")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return where runs are kept; afterwards no process and no directory is left."""
    for name in os.environ:
        if name.startswith(FOREIGN) and not name.startswith("GRIDMAP_TEST_"):
            monkeypatch.delenv(name)
    place = tmp_path / "runs"
    monkeypatch.setenv("GRIDMAP_RUNS", str(place))
    monkeypatch.setenv("GRIDMAP_KEEP_LOGS", "never")
    yield place
    eventually(
        lambda: not traces.processes(place) and not traces.zygotes(place),
        within_s=5,
        what="all runners and workers, and what they were copied from, to be gone",
        gap_s=0.02,
    )
    eventually(
        lambda: not traces.directories(place),
        within_s=5,
        what="all directories of runs to be gone",
        gap_s=0.02,
    )


@pytest.fixture
def named(runs: Path) -> Iterator[None]:
    """Take away what runs that can be resumed leave."""
    yield
    shutil.rmtree(runs / "named", ignore_errors=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return where jobs say that they ran."""
    made = tmp_path / "ran"
    made.mkdir()
    return made


@pytest.fixture
def again() -> tuple[Callable[..., Any], list[Any]]:
    """Return a map that can be resumed, and the events of all its runs."""
    events: list[Any] = []
    return (
        functools.partial(
            grid_map,
            backend="local",
            max_workers=2,
            resume="sweep",
            progress=events.append,
        ),
        events,
    )
