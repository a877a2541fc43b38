"""Large frames between hosts where one port is open, and the line is slow or breaks.

Runners come over TCP, and all they say and hear goes through a relay of the test's. What
is large travels in pieces, and heartbeats between them.
"""

import functools
import hashlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pytest
from tests.security import loopback
from tests.security.relay import Relay, between_hosts

from gridmap import GridExecutor
from gridmap.events import AnyEvent, JobFailed, JobsGranted, RunnerUp

SIZE: Final = 8 << 20
LINE_BYTES_S: Final = 2 << 20
TIMES: Final = {"heartbeat_interval": 0.2, "silence_limit": 2.0, "orphan_time": 2.0}


def lengthen(seed: bytes) -> bytes:
    """Return bytes that cannot be made smaller."""
    return hashlib.shake_256(seed).digest(SIZE)


def count(data: bytes, seed: bytes) -> int:
    """Return how much comes of a large and of a small part."""
    return len(data) + len(seed)


def shred(seed: bytes) -> list[Any]:
    """Return what is large only together."""
    whole = np.frombuffer(lengthen(seed), np.uint8)
    return [whole[at : at + 100_000] for at in range(0, SIZE, 100_000)]


def whole(value: Any) -> Any:
    """Undo what `shred` does."""
    return b"".join(map(bytes, value)) if isinstance(value, list) else value


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Return the one line between the hosts."""
    with between_hosts(monkeypatch, "listen") as relay:
        yield relay


def one_port() -> str:
    """Return a port range that has no room for the port of large data."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def run(
    function: Callable[..., Any], arguments: list[Any], workers: int = 1
) -> tuple[list[Any], list[AnyEvent]]:
    """Call a function on a runner with each argument; return values and events."""
    events: list[AnyEvent] = []
    with GridExecutor(
        max_workers=workers,
        backend=loopback.NAME,
        settings={"host": "127.0.0.1", "port_range": one_port(), **TIMES},
        observers=[("test", events.append)],
    ) as executor:
        futures = [executor.submit(function, argument) for argument in arguments]
        return [future.result() for future in futures], events


def seen(events: list[AnyEvent], kind: type[Any]) -> int:
    """Return how many events there were of a kind."""
    return sum(isinstance(event, kind) for event in events)


CALLS = pytest.mark.parametrize(
    ("function", "argument", "value"),
    [
        (lengthen, b"1", lengthen(b"1")),
        (shred, b"1", lengthen(b"1")),
        (len, lengthen(b"1"), SIZE),
        (functools.partial(count, lengthen(b"1")), b"1", SIZE + 1),
    ],
    ids=["result", "result in many parts", "input", "function"],
)


@CALLS
def test_heartbeats_pass_by_what_takes_longer_than_silence_may(
    relay: Relay, function: Callable[..., Any], argument: bytes, value: Any
) -> None:
    """No runner is lost, and none thinks itself an orphan."""
    line = threading.Event()  # never set: it is waited for as long as bytes take

    def slow(_: int, data: bytes) -> bytes:
        line.wait(len(data) / LINE_BYTES_S)
        return data

    relay.meddle = slow
    values, events = run(function, [argument])
    assert [whole(found) for found in values] == [value]
    assert not seen(events, JobFailed)
    assert seen(events, JobsGranted) == 1
    assert relay.carried < 1.5 * SIZE, "nothing was begun anew"


@CALLS
def test_a_line_that_breaks_in_the_middle_loses_nothing(
    relay: Relay, function: Callable[..., Any], argument: bytes, value: Any
) -> None:
    """What was begun is begun anew."""
    broken = threading.Event()

    def cut(passed: int, data: bytes) -> bytes:
        if passed > SIZE // 2 and not broken.is_set():
            broken.set()
            raise ConnectionResetError
        return data

    relay.meddle = cut
    values, events = run(function, [argument])
    assert broken.is_set()
    assert [whole(found) for found in values] == [value]
    assert not seen(events, JobFailed)


def test_a_runner_that_is_told_to_end_ends_when_its_result_has_arrived(
    relay: Relay,
) -> None:
    """However long that takes, as long as it moves."""
    line, told = threading.Event(), threading.Event()
    events: list[AnyEvent] = []

    def slow(passed: int, data: bytes) -> bytes:
        if passed > SIZE // 4 and not told.is_set():
            told.set()
            up = next(event for event in events if isinstance(event, RunnerUp))
            os.kill(up.pid, signal.SIGTERM)
        line.wait(len(data) / LINE_BYTES_S)
        return data

    relay.meddle = slow
    with GridExecutor(
        max_workers=1,
        backend=loopback.NAME,
        settings={"host": "127.0.0.1", "port_range": one_port(), **TIMES},
        observers=[("test", events.append)],
    ) as executor:
        assert executor.submit(lengthen, b"1").result() == lengthen(b"1")
    assert told.is_set()
    assert seen(events, JobsGranted) == 1


def test_quick_jobs_pass_by_large_results(relay: Relay) -> None:
    """Of other runners, while two bring what the line will not let through."""
    held, on = threading.Event(), threading.Event()

    def hold(passed: int, data: bytes) -> bytes:
        if passed > SIZE // 2:
            held.set()
            on.wait(60)
        return data

    relay.meddle = hold
    events: list[AnyEvent] = []
    settings = {"host": "127.0.0.1", "port_range": one_port(), **TIMES}
    with GridExecutor(
        max_workers=3,
        backend=loopback.NAME,
        settings={**settings, "silence_limit": 60.0},
        observers=[("test", events.append)],
    ) as executor:
        large = [executor.submit(lengthen, seed) for seed in (b"1", b"2")]
        assert held.wait(60)
        assert [executor.submit(len, b"x" * n).result(60) for n in range(50)] == list(
            range(50)
        )
        assert not any(future.done() for future in large)
        on.set()
        assert [future.result() for future in large] == [lengthen(b"1"), lengthen(b"2")]
