"""Who does not get in, and that a run goes on regardless."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import zmq
from tests.protocol.transport.net import DEADLINE_S, LOOPBACK, Net

from gridmap.connection import split_tcp_address
from gridmap.errors import ConnectionFileError, RunError
from gridmap.transport import Limits, RouterSocket, RunKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.others import OtherUser

    from gridmap.connection import ConnectionFile


def honest_runner_gets_through(net: Net) -> None:
    """Fail unless a runner of the run is served."""
    runner = net.runner(b"honest")
    net.connect(runner)
    assert runner.send([b"hello"])
    (message,) = net.take(1)
    assert (message.peer, message.frames) == (b"honest", [b"hello"])
    assert net.monitor.send(b"honest", [b"welcome"])
    assert net.answer(runner) == [b"welcome"]


@contextlib.contextmanager
def stranger(address: str, **options: bytes) -> Iterator[zmq.Socket[bytes]]:
    """Connect a bare DEALER that wants to say something."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sock = context.socket(zmq.DEALER)
    try:
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.ROUTING_ID, b"stranger")
        for name, value in options.items():
            sock.setsockopt(getattr(zmq, name), value)
        sock.connect(address)
        sock.send(b"let me in")
        yield sock
    finally:
        sock.close(0)
        context.term()


def raw(address: str) -> socket.socket:
    """Open a TCP connection that speaks no ZeroMQ at all."""
    return socket.create_connection(split_tcp_address(address), timeout=DEADLINE_S)


def test_a_plain_client_is_never_admitted(tcp: Net) -> None:
    """Without CURVE the handshake fails, whatever is sent."""
    with stranger(tcp.monitor.addresses[0]):
        tcp.until(lambda: tcp.monitor.counters.strangers)
        assert tcp.monitor.receive() == []
        honest_runner_gets_through(tcp)
    assert not tcp.monitor.send(b"stranger", [b"secret"])


def test_who_hangs_up_on_this_host_is_no_stranger(unix: Net) -> None:
    """None but this user's processes come there: a runner that ended before a word."""
    with socket.socket(socket.AF_UNIX) as brief:
        brief.connect(unix.monitor.addresses[0].removeprefix("unix://"))
    unix.until(lambda: unix.monitor.counters.disconnected)
    assert unix.monitor.counters.strangers == 0
    honest_runner_gets_through(unix)


def test_a_key_that_is_not_the_runs_is_denied(tcp: Net) -> None:
    """The server's public key alone, with keys of one's own, opens nothing."""
    assert tcp.keys is not None
    other = RunKeys.fresh()
    with stranger(
        tcp.monitor.addresses[0],
        CURVE_SERVERKEY=tcp.keys.server_public_key.encode(),
        CURVE_PUBLICKEY=other.client_public_key.encode(),
        CURVE_SECRETKEY=other.client_secret_key.encode(),
    ):
        tcp.until(lambda: tcp.monitor.counters.denied)
        assert tcp.monitor.receive() == []
        honest_runner_gets_through(tcp)


def file_of_another_run(tcp: Net, *, same_server: bool) -> ConnectionFile:
    """Describe the monitor with keys that are not all its own."""
    assert tcp.keys is not None
    other = RunKeys.fresh()
    return tcp.file(
        other,
        server_public_key=(tcp.keys if same_server else other).server_public_key,
    )


def test_a_runner_with_a_wrong_client_key_is_told_so_at_once(tcp: Net) -> None:
    """Patience is of no use there; the error names the connection file."""
    runner = tcp.runner(file=file_of_another_run(tcp, same_server=True))
    begin = time.monotonic()
    with pytest.raises(ConnectionFileError, match="refused the key"):
        tcp.connect(runner, patience_s=3600.0)
    assert time.monotonic() - begin < DEADLINE_S
    assert tcp.monitor.counters.denied == 1
    honest_runner_gets_through(tcp)


def test_a_runner_with_a_wrong_server_key_trusts_no_one(tcp: Net) -> None:
    """Another monitor at the address is not spoken to; the error lists addresses."""
    runner = tcp.runner(file=file_of_another_run(tcp, same_server=False))
    with pytest.raises(RunError, match=r"127\.0\.0\.1.*broke off the handshake"):
        tcp.connect(runner, patience_s=0.1)
    assert not runner.connected
    tcp.until(lambda: tcp.monitor.counters.strangers)
    honest_runner_gets_through(tcp)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" + b"\x00" * 8 + b"\x7f" + b"\x03" * 200,
        b"\x01\0\x06\0hello",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0\0\x05hello",
        b"\x00" * 1000,
        b"\xff" * 100_000,
        os.urandom(65_536),
    ],
    ids=["http", "greeting-then-noise", "zmtp-1", "zmtp-2", "zeros", "ones", "random"],
)
def test_bytes_that_are_no_zmtp_are_turned_away(tcp: Net, garbage: bytes) -> None:
    """The connection is cut and counted; nothing reaches the monitor."""
    with raw(tcp.monitor.addresses[0]) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        tcp.until(lambda: tcp.monitor.counters.disconnected)
    assert tcp.monitor.counters.strangers
    assert tcp.monitor.receive() == []
    honest_runner_gets_through(tcp)


def test_a_huge_announced_frame_is_not_awaited(tcp: Net) -> None:
    """A stranger cannot make the monitor set memory aside before the handshake."""
    # RFC 23, 2.2: signature, version 3.1, mechanism, as-server, filler.
    greeting = (
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\0" * 32
    )
    with raw(tcp.monitor.addresses[0]) as connection:
        connection.sendall(greeting + b"\x06" + struct.pack(">Q", 2**40))
        tcp.until(lambda: tcp.monitor.counters.disconnected)
    honest_runner_gets_through(tcp)


def test_silent_connections_are_closed_in_time(
    directory: object, undo: contextlib.ExitStack
) -> None:
    """Who connects and never speaks is put out when the handshake's time is up."""
    del directory
    keys = RunKeys.fresh()
    monitor = RouterSocket.tcp([LOOPBACK], keys, limits=Limits(handshake_s=0.2))
    net = Net(monitor, keys, undo)
    undo.callback(monitor.close, 0.0)
    with contextlib.ExitStack() as crowd:
        for _ in range(200):
            crowd.enter_context(raw(monitor.addresses[0]))
        honest_runner_gets_through(net)
        net.until(lambda: monitor.counters.disconnected >= 200)
    assert monitor.counters.accepted == 201


@pytest.mark.parametrize(
    ("frames", "counter"),
    [
        ([b"x", b"y" * 1500, b"z" * 1500, b"tail"], "oversized"),
        ([b"x"] * 6, "malformed"),
    ],
    ids=["whole-message", "number-of-frames"],
)
def test_a_message_beyond_its_limits_is_dropped_and_counted(
    net: Net, frames: list[bytes], counter: str
) -> None:
    """Neither its peer nor the message after it suffers."""
    net.limit(Limits(message_bytes=3000, message_frames=5))
    runner = net.runner()
    net.connect(runner)
    assert runner.send(frames)
    assert runner.send([b"x"] * 5)
    (message,) = net.take(1)
    assert message.frames == [b"x"] * 5
    assert getattr(net.monitor.counters, counter) == 1


def test_a_frame_beyond_the_limit_cuts_its_peer_off(net: Net) -> None:
    """Libzmq closes the connection before it stores the frame; the rest goes on."""
    net.limit(Limits(frame_bytes=100_000))
    runner = net.runner(b"huge", limits=Limits(frame_bytes=2**30))
    net.connect(runner)
    runner.send([b"hello"])
    net.take(1)
    runner.send([b"result", b"x" * 200_000])
    assert net.gone() == [b"huge"]
    honest_runner_gets_through(net)


KNOCK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    print("heard", sock.recv(1))
"""


def test_another_user_cannot_use_the_unix_socket(
    unix: Net, other_user: OtherUser
) -> None:
    """Should the directory ever be open, the peer's user id still is checked."""
    path = unix.monitor.addresses[0].removeprefix("unix://")
    for parent in (unix.directory, *list(unix.directory.parents)[:-2]):
        parent.chmod(0o755)
    os.chmod(path, 0o777)  # noqa: PTH101, S103 - the mistake under test
    with ThreadPoolExecutor(1) as pool:
        command = ["/usr/bin/python3", "-c", KNOCK, path]
        knocking = pool.submit(other_user.run, command)
        unix.until(lambda: unix.monitor.counters.accept_failed)
        done = knocking.result()
    assert done.stdout == "heard b''\n", done.stderr
    honest_runner_gets_through(unix)


def test_no_key_of_a_run_shows_in_errors_and_texts(tcp: Net) -> None:
    """Whatever is printed about a socket or a refusal holds no secret."""
    assert tcp.keys is not None
    file = file_of_another_run(tcp, same_server=True)
    runner = tcp.runner(file=file)
    with pytest.raises(ConnectionFileError) as caught:
        tcp.connect(runner)
    shown = f"{caught.value!r}{caught.value}{file!r}{file}{runner!r}{tcp.monitor!r}"
    assert file.client_secret_key
    assert file.client_secret_key not in shown
    assert tcp.keys.server_secret_key not in shown
