"""Strangers are let in at a bounded rate; runners are not kept out by that."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.transport.net import Net
from tests.protocol.transport.test_strangers import honest_runner_gets_through, raw

from gridmap.connection import split_tcp_address
from gridmap.transport import Limits
from gridmap.transport.allowance import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterator

ONLY_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere ports are never shut"
)
BURST = 400
MANY = 200


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.floats(0.0, 10.0)), min_size=1, max_size=50
    )
)
def test_what_is_spent_while_there_is_some_is_bounded(
    spendings: list[tuple[int, float]],
) -> None:
    """Who stops when something is owed has spent no more than came together."""
    allowance = Allowance(rate=5.0, most=20.0, debt=1000.0)
    now = spent = last = 0.0
    left = 20.0
    for amount, pause_s in spendings:
        now += pause_s
        asked = amount if left >= 0 else 0
        left = allowance.spend(asked, now)
        spent += asked
        last = max(last, asked)
    assert spent <= 20.0 + 5.0 * now + last + 1e-6


def test_no_more_is_owed_than_is_said() -> None:
    """However much was spent at once, it is over after a while."""
    allowance = Allowance(rate=10.0, most=5.0, debt=10.0)
    assert allowance.spend(1_000_000, 100.0) == -10.0
    assert allowance.spend(0, 101.0) == 0.0
    assert allowance.spend(-3, 101.0) == 3.0
    assert allowance.spend(0, 200.0) == 5.0


def crowd_at(net: Net) -> None:
    """Let strangers come and go until the ports are shut once more."""
    times = net.monitor.counters.shut
    for _ in range(MANY):
        if net.monitor.counters.shut > times:
            return
        before = net.monitor.counters.strangers
        with contextlib.suppress(OSError), raw(net.monitor.addresses[0]) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")

        def came(before: int = before) -> bool:
            return net.monitor.counters.strangers > before

        net.until(came)
    pytest.fail(f"{MANY} strangers came, and the ports were not shut")


@ONLY_LINUX
def test_a_port_that_strangers_crowd_at_is_shut_and_opened_again(tcp: Net) -> None:
    """Meanwhile those inside are heard, and those outside wait."""
    tcp.limit(Limits(strangers_at_once=3, strangers_hz=0.01))
    runner = tcp.runner(b"inside")
    tcp.connect(runner)
    runner.send([b"hello"])
    tcp.take(1)
    crowd_at(tcp)
    assert tcp.monitor.counters.strangers in {4, 5}, "the runner may make up for one"
    # It is opened in `poll`, which is not called here.
    target = split_tcp_address(tcp.monitor.addresses[0])
    with pytest.raises(TimeoutError):
        socket.create_connection(target, timeout=0.2)
    assert runner.send([b"still here"])
    while not (heard := tcp.monitor.receive()):
        runner.wait(0.01)
    assert heard[0].frames == [b"still here"]
    assert tcp.monitor.send(b"inside", [b"I hear you"])
    while not (answers := runner.receive()):
        runner.wait(0.01)
    assert answers == [[b"I hear you"]]
    honest_runner_gets_through(tcp)


@ONLY_LINUX
def test_who_came_in_while_strangers_crowded_stays_in(tcp: Net) -> None:
    """A runner that asked while the port was shut is let in, and is not cut later."""
    tcp.limit(Limits(strangers_at_once=0, strangers_hz=0.01))
    crowd_at(tcp)
    honest_runner_gets_through(tcp)
    crowd_at(tcp)
    honest_runner_gets_through(tcp)


@contextlib.contextmanager
def dealers(net: Net, count: int) -> Iterator[list[zmq.Socket[bytes]]]:
    """Let so many runners connect at once."""
    assert net.keys is not None
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 10)
    with contextlib.ExitStack() as stack:
        stack.callback(context.term)
        sockets = []
        for number in range(count):
            sock = stack.enter_context(context.socket(zmq.DEALER))
            sock.setsockopt(zmq.LINGER, 0)
            sock.setsockopt(zmq.ROUTING_ID, b"runner-%d" % number)
            sock.setsockopt(zmq.CURVE_SERVERKEY, net.keys.server_public_key.encode())
            sock.setsockopt(zmq.CURVE_PUBLICKEY, net.keys.client_public_key.encode())
            sock.setsockopt(zmq.CURVE_SECRETKEY, net.keys.client_secret_key.encode())
            sock.connect(net.monitor.addresses[0])
            sock.send(b"hello")
            sockets.append(sock)
        yield sockets


def test_many_runners_at_once_are_no_strangers(tcp: Net) -> None:
    """They are more than strangers may be, and nobody waits."""
    assert Limits().strangers_at_once < BURST
    with dealers(tcp, BURST):
        assert len({message.peer for message in tcp.take(BURST)}) == BURST
    assert tcp.monitor.counters.shut == 0
