"""What is peculiar to Unix sockets: the system's limits, and who is at the other end."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gridmap.connection import UNIX
from gridmap.errors import RunError
from gridmap.transport import Counters, Limits
from gridmap.transport.unix import runner as runner_module
from gridmap.transport.unix import wire
from gridmap.transport.unix.stream import Stream

if TYPE_CHECKING:
    from tests.protocol.transport.net import Net


def test_last_words_are_heard_before_the_end(unix: Net) -> None:
    """What a monitor said before it went is received, and then that it went."""
    runner = unix.runner()
    unix.connect(runner)
    runner.send([b"hello"])
    unix.take(1)
    unix.monitor.send(b"runner", [b"goodbye"])
    unix.monitor.close(0.0)
    ready = runner.wait(15.0)
    assert (ready.messages, ready.connection) == (True, False)
    assert runner.receive() == [[b"goodbye"]]
    ready = runner.wait(15.0)
    assert (ready.messages, ready.connection) == (False, True)
    assert not runner.connected


def test_without_a_descriptor_nobody_is_let_in_and_nothing_spins(unix: Net) -> None:
    """Who waits at the door meanwhile is let in when there is one."""
    first = unix.runner(b"first")
    unix.connect(first)
    first.send([b"hello"])
    unix.take(1)
    late = unix.runner(b"late")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 1, hard))
    try:
        late.connect(0.0)  # takes the last one
        late.send([b"let me in"])
        unix.until(lambda: unix.monitor.counters.accept_failed)
        assert not unix.monitor.poll(0.2)
        assert unix.monitor.counters.accept_failed == 1
        first.send([b"work goes on"])
        assert [message.peer for message in unix.take(1)] == [b"first"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [message.peer for message in unix.take(1)] == [b"late"]


def test_a_runner_without_a_descriptor_tries_again(unix: Net) -> None:
    """Its function may have opened all there are; it is not the end of the runner."""
    runner = unix.runner()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        with pytest.raises(RunError, match="too many open files"):
            runner.connect(0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    unix.connect(runner)
    assert runner.send([b"hello"])
    assert unix.take(1)[0].frames == [b"hello"]


class Poor(socket.socket):
    """A socket whose kernel has no memory for it once."""

    poor = True

    def sendmsg(self, *arguments: Any) -> int:
        if self.poor:
            self.poor = False
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().sendmsg(*arguments)


def test_a_message_waits_for_the_kernels_memory() -> None:
    """A machine that has none for a moment does not end the run."""
    ours, theirs = socket.socketpair()
    with Poor(fileno=ours.detach()) as poor, theirs:
        stream = Stream(poor, Limits(), Counters(), memoryview(bytearray(100)))
        assert stream.send([b"hello"])
        waited = stream.waiting
        stream.flush()
        assert (waited, stream.waiting) == (True, False)
        assert theirs.recv(100) == wire.head([5]) + b"hello"


def test_a_listener_of_another_user_is_not_spoken_to(
    unix: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket in the monitor's place is only trusted if this user made it."""
    monkeypatch.setattr(runner_module, "same_user", lambda _: False)
    runner = unix.runner()
    with pytest.raises(RunError, match="belongs to another user"):
        runner.connect(0.0)
    assert not runner.connected


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        wire.head([3, 2]) + b"hey" + b"me",
        wire.head([len(wire.GREETING)]) + wire.GREETING,
    ],
    ids=["another protocol", "another greeting", "no name"],
)
def test_who_does_not_greet_is_shown_out(unix: Net, said: bytes) -> None:
    """A program that strays here hears nothing and disturbs nobody."""
    path = Path(unix.monitor.addresses[0].removeprefix(UNIX))
    with socket.socket(socket.AF_UNIX) as stray:
        stray.connect(os.fspath(path))
        stray.sendall(said)
        unix.until(lambda: unix.monitor.counters.disconnected)
        assert unix.monitor.receive() == []
        assert unix.monitor.disconnected() == []
        stray.settimeout(15.0)
        with contextlib.suppress(ConnectionResetError):
            assert stray.recv(1) == b""
    runner = unix.runner()
    unix.connect(runner)
    assert runner.send([b"hello"])
    assert unix.take(1)[0].frames == [b"hello"]
