"""A monitor and runners on real sockets of the loopback interface."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.protocol.transport.net import LOOPBACK, Net

from gridmap.transport import RouterSocket, RunKeys, UnixMonitorSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def undo() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def tcp(directory: Path, undo: contextlib.ExitStack) -> Net:
    keys = RunKeys.fresh()
    monitor = RouterSocket.tcp([LOOPBACK], keys)
    undo.callback(monitor.close, 0.0)
    return Net(monitor, keys, undo, directory)


@pytest.fixture
def unix(directory: Path, undo: contextlib.ExitStack) -> Net:
    monitor = UnixMonitorSocket(directory)
    undo.callback(monitor.close, 0.0)
    return Net(monitor, None, undo, directory)


@pytest.fixture(params=["tcp", "unix"])
def net(request: pytest.FixtureRequest) -> Net:
    chosen: Net = request.getfixturevalue(request.param)
    return chosen
