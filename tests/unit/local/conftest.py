"""A local backend with a run of its own, closed after each test."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gridmap.backend import Batch, Handle, RunContext
from gridmap.resources import Resources
from gridmap.testing import eventually
from gridmap_local.backend import LocalBackend
from gridmap_local.runner import Runner

SOON_S = 10.0


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    for name in ("run", "logs", "work"):
        (tmp_path / name).mkdir()
    return RunContext(
        token=secrets.token_hex(4),  # other tests beside this one end their own
        name="test",
        directory=tmp_path / "run",
        logs=tmp_path / "logs",
    )


@pytest.fixture
def backend(context: RunContext) -> Iterator[LocalBackend]:
    """A backend that loses its patience after a tenth of a second."""
    backend = LocalBackend(grace_s=0.1)
    yield backend
    backend.gridmap_close(context)


@pytest.fixture
def batch(context: RunContext) -> Callable[..., Batch]:
    """Make batches of shell programs."""

    def make(program: str = "exec sleep 60", count: int = 1, **changes: Any) -> Batch:
        fields: dict[str, Any] = {
            "runners": tuple(range(1, count + 1)),
            "command": ("/bin/sh", "-c", program),
            "environment": {},
            "directory": str(context.directory.parent / "work"),
            "name": "test",
            "resources": Resources(),
        }
        return Batch(**(fields | changes))

    return make


@pytest.fixture
def launch(
    backend: LocalBackend, context: RunContext, batch: Callable[..., Batch]
) -> Callable[..., Runner]:
    """Start a program; if it prints ``ready``, wait until it has."""

    def start(program: str = "exec sleep 60", **changes: Any) -> Runner:
        answer = backend.gridmap_submit(batch(program, **changes), context)
        handle = answer[1]
        assert isinstance(handle, Handle), handle
        if "ready" in program:
            log = context.logs / f"{handle}.log"
            eventually(
                lambda: "ready" in log.read_text(), within_s=SOON_S, what="ready"
            )
        return backend._runners[handle]

    return start
