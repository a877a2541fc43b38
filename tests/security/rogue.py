"""Who holds the run's key and means harm."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from gridmap import __version__
from gridmap.connection import ConnectionFile
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.transport import RunnerSocket, runner_socket

if TYPE_CHECKING:
    from tests.security.besieged import Siege

DEADLINE_S = 60.0
_M = TypeVar("_M", bound=m.FromMonitor)


@attrs.define
class Rogue:
    """A runner's end of a connection, in the hands of a test."""

    socket: RunnerSocket
    number: int = 0
    inbox: deque[m.FromMonitor] = attrs.field(factory=deque)

    def raw(self, *frames: bytes) -> None:
        """Send frames as they are."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.socket.send(frames):
            assert time.monotonic() < deadline, "the monitor does not read"
            self.socket.wait(0.02)

    def say(self, message: m.FromRunner, *frames: bytes) -> None:
        """Send a message."""
        self.raw(codec.encode(message), *frames)

    def listen(self, timeout_s: float) -> None:
        """Put what has arrived into the inbox, after waiting for so long at most."""
        self.socket.wait(timeout_s)
        for frames in self.socket.receive():
            self.inbox.append(codec.decode_from_monitor(frames[0]))

    def await_one(self, kind: type[_M]) -> _M:
        """Wait for a message of a kind; others are passed over."""
        message = self.await_any(kind)
        assert isinstance(message, kind)
        return message

    def await_any(self, *kinds: type[Any]) -> Any:
        """Wait for a message of any of some kinds; others are passed over."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            while self.inbox:
                message = self.inbox.popleft()
                if isinstance(message, kinds):
                    return message
            self.listen(0.05)
        text = f"none of {kinds} came"
        raise AssertionError(text)

    def greet(self, handle: tuple[str, str | None], **changes: Any) -> None:
        """Say hello in the name of *handle*."""
        self.say(hello(handle, **changes))

    def join(self, handle: tuple[str, str | None]) -> m.Work:
        """Say hello in the name of *handle*, and wait for work."""
        self.greet(handle)
        self.await_one(m.Welcome)
        return self.await_one(m.Work)

    def next(self) -> int:
        """Return a number for a message."""
        self.number += 1
        return self.number


def hello(handle: tuple[str, str | None], **changes: Any) -> m.Hello:
    """Return an honest runner's greeting, with *changes*."""
    job, task = handle
    values: dict[str, Any] = {
        "version": m.VERSION,
        "nonce": secrets.token_hex(8),
        "job": job,
        "task": task,
        "node": "rogue",
        "pid": os.getpid(),
        "python": sys.version_info[:3],
        "gridmap": __version__,
    }
    return m.Hello(**values | changes)


@contextlib.contextmanager
def rogue(
    run: Siege, *, file: ConnectionFile | None = None, identity: bytes | None = None
) -> Iterator[Rogue]:
    """Connect with the run's own key."""
    identity = identity or b"rogue-" + secrets.token_hex(4).encode()
    socket = runner_socket(file or run.file, identity)
    try:
        socket.connect(DEADLINE_S)
        yield Rogue(socket)
    finally:
        socket.close(0.0)
