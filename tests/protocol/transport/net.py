"""One monitor and what connects to it, driven by tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from gridmap.connection import ConnectionFile, new_token
from gridmap.transport import (
    Endpoint,
    Limits,
    MonitorSocket,
    PortRange,
    Received,
    RouterSocket,
    RunKeys,
    RunnerSocket,
    UnixMonitorSocket,
    runner_socket,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 15.0
LOOPBACK = Endpoint(bind="127.0.0.1", offer="127.0.0.1")

PEER = """
import sys
from pathlib import Path
from gridmap.connection import ConnectionFile
from gridmap.transport import runner_socket

runner = runner_socket(ConnectionFile.read(Path(sys.argv[1])), sys.argv[2].encode())
runner.connect()
for number in range(int(sys.argv[3])):
    while not runner.send([b"message", str(number).encode()]):
        runner.wait(0.01)
while True:
    runner.wait(None)
    for frames in runner.receive():
        runner.send([b"echo", *frames])
"""


@attrs.define
class Net:
    """One monitor, its keys, and what is connected to it."""

    monitor: MonitorSocket
    keys: RunKeys | None
    undo: contextlib.ExitStack
    directory: Path = Path()

    def limit(self, limits: Limits) -> None:
        """Put a monitor with these limits in the place of the one there is."""
        self.monitor.close(0.0)
        if self.keys is None:
            self.monitor = UnixMonitorSocket(self.directory, limits=limits)
        else:
            self.monitor = RouterSocket.tcp([LOOPBACK], self.keys, limits=limits)
        self.undo.callback(self.monitor.close, 0.0)

    def come_back(self) -> None:
        """Put a monitor where the one was that is closed."""
        if self.keys is None:
            self.monitor = UnixMonitorSocket(self.directory)
        else:
            port = PortRange.parse(self.monitor.addresses[0].rpartition(":")[2])
            self.monitor = RouterSocket.tcp([LOOPBACK], self.keys, port_range=port)
        self.undo.callback(self.monitor.close, 0.0)

    def file(self, keys: RunKeys | None = None, **changes: object) -> ConnectionFile:
        """Describe the monitor to a runner, truly unless told otherwise."""
        keys = keys or self.keys
        values: dict[str, object] = {
            "addresses": self.monitor.addresses,
            "token": new_token(),
            "backend": "test",
            "backend_factory": "test:Test",
        }
        if keys is not None:
            values |= {
                "server_public_key": keys.server_public_key,
                "client_public_key": keys.client_public_key,
                "client_secret_key": keys.client_secret_key,
            }
        return ConnectionFile(**values | changes)  # type: ignore[arg-type] # a test's choice

    def runner(
        self,
        identity: bytes = b"runner",
        file: ConnectionFile | None = None,
        limits: Limits | None = None,
    ) -> RunnerSocket:
        """Make a runner's socket that is closed with the test."""
        runner = runner_socket(file or self.file(), identity, limits=limits)
        self.undo.callback(runner.close, 0.0)
        return runner

    def connect(self, runner: RunnerSocket, patience_s: float = DEADLINE_S) -> None:
        """Connect a runner while the monitor answers at the door."""
        self.during(lambda: runner.connect(patience_s))

    def during(self, action: Callable[[], object]) -> None:
        """Do something that blocks while the monitor polls; raise what it raised."""
        raised: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            try:
                action()
            except BaseException as error:  # noqa: BLE001 - raised again below
                raised.append(error)
            finally:
                done.set()
                self.monitor.wake()

        thread = threading.Thread(target=work)
        thread.start()
        while not done.is_set():
            self.monitor.poll(0.5)
        thread.join()
        if raised:
            raise raised[0]

    def until(self, happened: Callable[[], object]) -> None:
        """Let the monitor poll until something has happened, or fail."""
        deadline = time.monotonic() + DEADLINE_S
        while not happened():
            assert time.monotonic() < deadline, self.monitor.counters
            self.monitor.poll(0.02)

    def take(self, count: int, *talking: RunnerSocket) -> list[Received]:
        """Receive so many messages, or fail; those who are talking go on meanwhile."""
        got: list[Received] = []

        def enough() -> bool:
            for runner in talking:
                runner.wait(0)
            got.extend(self.monitor.receive())
            return len(got) >= count

        self.until(enough)
        assert len(got) == count
        return got

    def gone(self) -> list[bytes]:
        """Wait for news of closed connections, or fail; no message may be lost."""
        named: list[bytes] = []

        def told() -> bool:
            assert self.monitor.receive() == []
            named.extend(self.monitor.disconnected())
            return bool(named)

        self.until(told)
        return named

    def answer(self, runner: RunnerSocket) -> list[bytes]:
        """Receive one message on the runner's side, or fail."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self.monitor.poll(0)
            runner.wait(0.02)
            for frames in runner.receive(1):
                return [bytes(frame) for frame in frames]
        pytest.fail("no message came")

    def process(self, identity: str, messages: int = 1) -> subprocess.Popen[bytes]:
        """Start a peer in a process of its own; it is killed with the test."""
        path = self.directory / f"{identity}.json"
        self.file().write(path)
        command = [sys.executable, "-c", PEER, str(path), identity, str(messages)]
        process = subprocess.Popen(command)
        self.undo.callback(process.wait)
        self.undo.callback(process.kill)
        return process


def linked(runner: RunnerSocket) -> bool:
    """Say whether a runner is connected now."""
    return runner.connected
