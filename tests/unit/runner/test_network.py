"""What sockets moved is found, in other processes too, and never falls."""

import os
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.runner.network import Traffic, parse

HOSTS = [
    pytest.param(socket.AF_INET, "127.0.0.1", id="IPv4"),
    pytest.param(socket.AF_INET6, "::1", id="IPv6"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="sock_diag(7) is Linux's")
@pytest.mark.parametrize(("family", "host"), HOSTS)
def test_received_bytes_are_counted(family: socket.AddressFamily, host: str) -> None:
    """Both ways; nothing while nothing moves; and they stay when the socket is gone."""
    traffic = Traffic()
    with (
        socket.create_server((host, 0), family=family) as door,
        socket.create_connection(door.getsockname()[:2]) as near,
        door.accept()[0] as far,
    ):
        before = traffic.measure([os.getpid()])
        assert traffic.measure([os.getpid()]) == before
        near.sendall(b"x" * 1000)
        while len(far.recv(1000, socket.MSG_PEEK)) < 1000:
            pass
        after = traffic.measure([os.getpid()])
        assert after >= before + 1000
    assert traffic.measure([os.getpid()]) >= after
    assert traffic.measure([]) >= after


@given(data=st.binary(max_size=400))
def test_any_answer_can_be_read(data: bytes) -> None:
    """Nothing the kernel may come to say ends the runner."""
    assert all(isinstance(moved, int) for _, moved in parse(data))
