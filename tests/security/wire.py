"""Bytes on the wire: what is none of ours, and a proxy that records and replays ours."""

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Final

import attrs

GARBAGE: Final = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zmtp 1": b"\x01\0\x06\0hello",
    "zmtp 2": b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0\0\x05hello",
    "null mechanism": b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + b"\0" * 48,
    "enormous command": b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE"
    + b"\0" * 47
    + b"\x06\x00\x00\x01\x00\x00\x00\x00\x00",
    "ones": b"\xff" * 100_000,
    "random": os.urandom(65_536),
}
"""What strangers say who do not speak ZeroMQ, or do not mean it."""


@attrs.define
class Call:
    """One connection that went through: what either side said, in order."""

    said: list[bytes] = attrs.field(factory=list)
    heard: list[bytes] = attrs.field(factory=list)


@attrs.define
class Wire:
    """What went through a proxy.

    Attributes:
        port: Where it listens, on loopback.
        calls: One for each connection.
    """

    port: int
    calls: list[Call] = attrs.field(factory=list)


@contextlib.contextmanager
def tapped(target: tuple[str, int]) -> Iterator[Wire]:
    """Listen on loopback, pass everything on to *target*, and record it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        wire = Wire(listener.getsockname()[1])
        stop, stopper = socket.socketpair()
        stack.enter_context(stop)
        thread = threading.Thread(target=_serve, args=(listener, stop, target, wire))
        thread.start()
        stack.callback(thread.join)
        stack.enter_context(stopper)
        yield wire


def _serve(
    listener: socket.socket, stop: socket.socket, target: tuple[str, int], wire: Wire
) -> None:
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as sockets:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is stop:
                    return
                if key.fileobj is listener:
                    call = Call()
                    wire.calls.append(call)
                    near = sockets.enter_context(listener.accept()[0])
                    far = sockets.enter_context(socket.create_connection(target))
                    selector.register(
                        near, selectors.EVENT_READ, (near, far, call.said)
                    )
                    selector.register(
                        far, selectors.EVENT_READ, (far, near, call.heard)
                    )
                    continue
                source, sink, record = key.data
                data = b""
                with contextlib.suppress(OSError):
                    data = source.recv(65_536)
                if not data:
                    for end in (source, sink):
                        with contextlib.suppress(KeyError):
                            selector.unregister(end)
                        end.close()
                    continue
                record.append(data)
                with contextlib.suppress(OSError):
                    sink.sendall(data)


def replay(
    target: tuple[str, int], parts: list[bytes], patience_s: float = 20.0
) -> bytes:
    """Say *parts* to *target* as they were said, an answer between each two.

    Returns:
        All that was answered until the other side hung up, or had nothing more to say.
    """
    answers = []
    with socket.create_connection(target, patience_s) as connection:
        for part in parts:
            with contextlib.suppress(OSError):
                connection.sendall(part)
                connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    answers.append(connection.recv(65_536))
        connection.settimeout(patience_s)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65_536):
                answers.append(data)
    return b"".join(answers)
