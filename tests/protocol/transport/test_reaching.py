"""How a runner finds a monitor at one of several addresses."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest
from tests.protocol.transport.net import DEADLINE_S, LOOPBACK, Net, linked

from gridmap.connection import split_tcp_address
from gridmap.errors import RunError
from gridmap.transport import (
    Endpoint,
    PortRange,
    RouterSocket,
    RunKeys,
    UnixMonitorSocket,
)

# What may stand where the monitor stood; those of old ZeroMQ know no encryption,
# and a runner that fell back to them would obey anybody.
_SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"
NONSENSE = {
    "unknown-mechanism": _SIGNATURE + b"\x03\x01" + b"X" * 52,
    "null-mechanism": _SIGNATURE + b"\x03\x01NULL" + b"\0" * 48,
    "zmtp-2": _SIGNATURE + b"\x01\x06" + b"\0\0" + b"\0\x04stop",
    "zmtp-1": b"\x01\0" + b"\x05\0stop",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def bound(undo: contextlib.ExitStack, *, listening: bool) -> socket.socket:
    """Return a socket on a port of the loopback interface."""
    sock = undo.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    if listening:
        sock.listen(0)
    return sock


def address_of(sock: socket.socket) -> str:
    """Write a socket's address as a monitor would."""
    return f"tcp://127.0.0.1:{sock.getsockname()[1]}"


def test_a_refused_address_is_passed_over_at_once(tcp: Net) -> None:
    """Where nothing listens costs no time."""
    dead = address_of(bound(tcp.undo, listening=False))
    runner = tcp.runner(file=tcp.file(addresses=(dead, *tcp.monitor.addresses)))
    begin = time.monotonic()
    tcp.connect(runner)
    assert time.monotonic() - begin < 1.0
    assert runner.address == tcp.monitor.addresses[0]
    assert tcp.monitor.counters.strangers == 0


def test_an_address_that_swallows_everything_is_passed_over(tcp: Net) -> None:
    """A black hole costs a second; here a listener whose queue is full."""
    hole = bound(tcp.undo, listening=True)
    for _ in range(4):
        filler = tcp.undo.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(hole.getsockname())
    addresses = (address_of(hole), *tcp.monitor.addresses)
    runner = tcp.runner(file=tcp.file(addresses=addresses))
    begin = time.monotonic()
    tcp.connect(runner)
    assert time.monotonic() - begin < 5.0
    assert runner.address == tcp.monitor.addresses[0]


def test_a_listener_that_never_answers_is_passed_over(
    tcp: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may listen there and just keep silent."""
    monkeypatch.setattr("gridmap.transport.zeromq.dealer.HANDSHAKE_S", 0.2)
    silent = bound(tcp.undo, listening=True)
    addresses = (address_of(silent), *tcp.monitor.addresses)
    runner = tcp.runner(file=tcp.file(addresses=addresses))
    tcp.connect(runner)
    assert runner.address == tcp.monitor.addresses[0]


def test_when_nobody_answers_every_address_is_accounted_for(tcp: Net) -> None:
    """The error says what each did, and what to look at."""
    dead = address_of(bound(tcp.undo, listening=False))
    nameless = "tcp://127.0.0.1:1"
    file = tcp.file(addresses=(dead, nameless))
    runner = tcp.runner(file=file)
    with pytest.raises(RunError) as caught:
        runner.connect(patience_s=0.1)
    text = str(caught.value)
    assert f"{dead}: connection refused" in text
    assert f"{nameless}: connection refused" in text
    assert "firewall" in text
    assert not runner.connected
    assert not runner.send([b"x"])
    assert runner.receive() == []


def test_when_nobody_listens_on_this_host_it_is_said_why(unix: Net) -> None:
    """A run that is over has taken its socket with it, or died and left it."""
    path = Path(unix.monitor.addresses[0].removeprefix("unix://"))
    unix.monitor.close(0.0)
    runner = unix.runner()
    with pytest.raises(RunError, match=r"monitor\.sock: no such file.*run ended"):
        runner.connect(patience_s=0.1)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(RunError, match=r"monitor\.sock: connection refused"):
        runner.connect(patience_s=0.1)
    assert not runner.connected
    assert not runner.send([b"x"])
    assert not runner.wait(0)[0]
    assert runner.receive() == []


def test_patience_outlasts_a_monitor_that_starts_late(tcp: Net) -> None:
    """A runner can be faster than its monitor is back."""
    address = tcp.monitor.addresses[0]
    runner = tcp.runner()
    tcp.monitor.close(0.0)
    assert tcp.keys is not None
    with pytest.raises(RunError, match="refused"):
        runner.connect(patience_s=0.1)
    ports = PortRange.parse(address.rpartition(":")[2])
    tcp.monitor = RouterSocket.tcp([LOOPBACK], tcp.keys, port_range=ports)
    tcp.undo.callback(tcp.monitor.close, 0.0)
    tcp.connect(runner)
    assert runner.connected


@pytest.mark.parametrize("greeting", NONSENSE.values(), ids=NONSENSE)
def test_an_impostor_at_the_address_neither_is_obeyed_nor_loses_a_runner(
    tcp: Net, monkeypatch: pytest.MonkeyPatch, greeting: bytes
) -> None:
    """The library gives an address up after nonsense; the monitor may yet return."""
    monkeypatch.setattr("gridmap.transport.zeromq.dealer.RETRY_S", 0.05)
    runner = tcp.runner()
    tcp.connect(runner)
    assert tcp.keys is not None
    host, port = split_tcp_address(tcp.monitor.addresses[0])
    tcp.monitor.close(0.0)
    with socket.create_server((host, port)) as impostor:
        for _ in range(2):
            deadline = time.monotonic() + DEADLINE_S
            while not runner.wait(0.5, [impostor.fileno()]).fds:
                assert time.monotonic() < deadline
            client, _address = impostor.accept()
            with client, contextlib.suppress(ConnectionError):
                client.settimeout(DEADLINE_S)
                client.sendall(greeting)
                while client.recv(4096):
                    pass
            while runner.failure is None:
                assert time.monotonic() < deadline
                runner.wait(0.5)
            assert runner.receive() == []
    assert not linked(runner)
    ports = PortRange(first=port, last=port)
    tcp.monitor = RouterSocket.tcp([LOOPBACK], tcp.keys, port_range=ports)
    tcp.undo.callback(tcp.monitor.close, 0.0)
    tcp.until(lambda: runner.wait(0).connection and linked(runner))
    assert runner.failure is None


def test_a_monitor_elsewhere_is_found_by_reconnecting(
    tcp: Net, undo: contextlib.ExitStack
) -> None:
    """A new connection file leads a living runner to a new address and keys."""
    runner = tcp.runner()
    tcp.connect(runner)
    keys = RunKeys.fresh()
    tcp.monitor.close(0.0)
    tcp.keys = keys
    tcp.monitor = RouterSocket.tcp([LOOPBACK], keys)
    undo.callback(tcp.monitor.close, 0.0)
    file = tcp.file()
    tcp.during(lambda: runner.reconnect(DEADLINE_S, connection=file))
    assert runner.connected
    assert runner.send([b"moved"])
    assert tcp.take(1)[0].frames == [b"moved"]


def test_ipv6_works(directory: Path, undo: contextlib.ExitStack) -> None:
    """The monitor listens on ::1 and 127.0.0.1 alike, and each is reached."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    keys = RunKeys.fresh()
    monitor = RouterSocket.tcp([Endpoint(bind="::1", offer="::1"), LOOPBACK], keys)
    undo.callback(monitor.close, 0.0)
    net = Net(monitor, keys, undo, directory)
    six, four = monitor.addresses
    assert six.startswith("tcp://[::1]:")
    assert four.startswith("tcp://127.0.0.1:")
    for address in (six, four):
        runner = net.runner(address.encode(), net.file(addresses=(address,)))
        net.connect(runner)
        assert runner.send([b"hello"])
        assert net.take(1)[0].peer == address.encode()
        assert monitor.send(address.encode(), [b"welcome"])
        assert net.answer(runner) == [b"welcome"]


def test_a_port_range_is_kept_to(undo: contextlib.ExitStack) -> None:
    """Two runs share a range of two ports; a third is told that it is full."""
    first = bound(undo, listening=False)
    port = first.getsockname()[1]
    first.close()
    ports = PortRange(first=port, last=port)
    monitor = RouterSocket.tcp([LOOPBACK], RunKeys.fresh(), port_range=ports)
    undo.callback(monitor.close, 0.0)
    assert monitor.addresses == (f"tcp://127.0.0.1:{port}",)
    with pytest.raises(RunError, match=f"any port from {port} to {port}.*in use"):
        RouterSocket.tcp([LOOPBACK], RunKeys.fresh(), port_range=ports)


def test_endpoints_that_cannot_be_bound_are_left_out(
    undo: contextlib.ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """One interface gone bad does not stop a run; all of them do, with reasons."""
    foreign = Endpoint(bind="192.0.2.77", offer="192.0.2.77")
    monitor = RouterSocket.tcp([foreign, LOOPBACK], RunKeys.fresh())
    undo.callback(monitor.close, 0.0)
    assert len(monitor.addresses) == 1
    assert "192.0.2.77" in caplog.text
    with pytest.raises(RunError, match=r"192\.0\.2\.77"):
        RouterSocket.tcp([foreign], RunKeys.fresh())
    with pytest.raises(RunError, match="no address"):
        RouterSocket.tcp([], RunKeys.fresh())


def test_what_is_offered_may_differ_from_what_is_bound(
    undo: contextlib.ExitStack,
) -> None:
    """A gateway's address is passed on with the port that was bound."""
    endpoint = Endpoint(bind="127.0.0.1", offer="203.0.113.9")
    monitor = RouterSocket.tcp([endpoint], RunKeys.fresh())
    undo.callback(monitor.close, 0.0)
    assert monitor.addresses[0].startswith("tcp://203.0.113.9:")


def test_a_directory_without_room_for_a_socket_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run's path is too long and no other takes one, all are named."""
    monkeypatch.setattr("gridmap.transport.unix.place._UNIX_PATH_BYTES", 3)
    with pytest.raises(RunError, match=r"monitor\.sock: its .* shorter path"):
        UnixMonitorSocket(tmp_path)
