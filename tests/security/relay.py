"""A line between runners and driver that does with what passes what a test likes."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import pytest

from gridmap.connection import split_tcp_address
from gridmap.monitor import opening
from gridmap.payload.neighbour import Evidence

PIECE: Final = 1 << 16


@attrs.define
class Relay:
    """A way between runners and driver, for large frames.

    Attributes:
        meddle: What becomes of bytes: given how many of this connection went before,
            and them, it returns what goes on, or raises to cut the connection.
        carried: Bytes that went through.
    """

    meddle: Callable[[int, bytes], bytes] = lambda _, data: data
    carried: int = 0
    _target: tuple[str, int] = ("", 0)
    _listener: socket.socket = attrs.field(factory=socket.socket)
    _ends: list[socket.socket] = attrs.field(factory=list)
    _threads: list[threading.Thread] = attrs.field(factory=list)

    def open(self, target: str) -> str:
        """Begin; return the address to connect to instead of *target*."""
        self._target = split_tcp_address(target)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._begin(self._accept)
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End it, and all that is under way."""
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _begin(self, work: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                runner, _ = self._listener.accept()
                self._ends.append(runner)
                driver = socket.create_connection(self._target)
                self._ends.append(driver)
                self._begin(self._pass, runner, driver)
                self._begin(self._pass, driver, runner)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        passed = 0
        try:
            while data := source.recv(PIECE):
                target.sendall(self.meddle(passed, data))
                passed += len(data)
                self.carried += len(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def between_hosts(monkeypatch: pytest.MonkeyPatch, opener: str) -> Iterator[Relay]:
    """Put a relay between hosts that cannot see each other's memory.

    Args:
        monkeypatch: Undoes it.
        opener: What of `opening` opens the port that is reached through the relay.
    """
    relay = Relay()
    real = getattr(opening, opener)

    def listen(*args: Any) -> Any:
        port = real(*args)
        port.addresses = tuple(map(relay.open, port.addresses))
        return port

    monkeypatch.setattr(opening, opener, listen)
    monkeypatch.setattr(Evidence, "secret", lambda: Evidence(b"", b"", None))
    yield relay
    relay.close()
