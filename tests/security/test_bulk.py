"""Large frames between hosts, on a network that loses, changes and blocks them.

Runners come over TCP and cannot look into the driver's memory, as on another host. What
travels apart goes through a relay of the test's, which does with it what it likes.
Whatever that is, the run comes to its right end.
"""

import functools
import hashlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from tests import jobs
from tests.security import loopback
from tests.security.relay import Relay, between_hosts

from gridmap import GridExecutor, grid_map
from gridmap.events import AnyEvent, JobFailed, JobsGranted, RunnerVitals
from gridmap.transport.bulk.requests import ANSWER_BYTES, CHALLENGE_BYTES

SIZE: Final = 3 << 20


def lengthen(seed: bytes) -> bytes:
    """Return bytes that cannot be made smaller."""
    return hashlib.shake_256(seed).digest(SIZE)


def reverse(data: bytes) -> bytes:
    """Return a large result for a large input."""
    return data[::-1]


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Return what all that travels apart goes through."""
    with between_hosts(monkeypatch, "_carry") as relay:
        yield relay


def carried(relay: Relay, jobs: int = 3) -> int:
    """Map large inputs to large results; return how many bytes went apart."""
    inputs = [lengthen(bytes([number])) for number in range(jobs)]
    values = grid_map(
        reverse,
        inputs,
        backend=loopback.NAME,
        max_workers=2,
        settings={"host": "127.0.0.1"},
    )
    assert values == [data[::-1] for data in inputs]
    return relay.carried


def test_large_frames_travel_apart(relay: Relay) -> None:
    assert carried(relay) > 2 * 3 * SIZE


def write(array: Any, number: int) -> tuple[int, int]:
    """Write all over an array; tell what was there before, and how much is there now."""
    before = int(array[0])
    array[:] = number
    return before, int(array.sum())


@pytest.mark.parametrize("part", [SIZE, SIZE // 2])
def test_an_array_in_many_inputs_is_each_jobs_own(relay: Relay, part: int) -> None:
    """It may travel once for all in a message, compressed or not."""
    jobs = 50
    array = np.zeros(SIZE, np.uint8)
    array[:part] = np.frombuffer(lengthen(b"random"), np.uint8)[:part]
    values = grid_map(
        write,
        [[array, number] for number in range(jobs)],
        backend=loopback.NAME,
        max_workers=2,
        settings={"host": "127.0.0.1"},
    )
    assert values == [(array[0], number * SIZE) for number in range(jobs)]
    assert relay.carried > part


def test_nothing_can_be_read_on_the_way(relay: Relay) -> None:
    seen = bytearray()

    def listen(_: int, data: bytes) -> bytes:
        seen.extend(data)
        return data

    relay.meddle = listen
    carried(relay, jobs=1)
    plain = lengthen(b"\0")
    for part in (plain, plain[::-1]):
        assert bytes(part[:64]) not in seen
        assert bytes(part[-64:]) not in seen


def cut(passed: int, data: bytes) -> bytes:
    """Cut every connection that carries a frame in its middle."""
    if passed > SIZE // 2:
        raise ConnectionResetError
    return data


def change(passed: int, data: bytes) -> bytes:
    """Change one bit of every frame."""
    if passed > SIZE // 2:
        return bytes([data[0] ^ 1]) + data[1:]
    return data


def swallow(passed: int, data: bytes) -> bytes:
    """Let those prove who they are, and cut what comes then."""
    if passed >= CHALLENGE_BYTES + ANSWER_BYTES:
        raise ConnectionResetError
    return data


def block(_: int, data: bytes) -> bytes:
    """Let nothing through."""
    del data
    raise ConnectionResetError


@pytest.mark.parametrize("meddle", [cut, change, swallow, block])
def test_what_does_not_get_through_travels_otherwise(
    relay: Relay, meddle: Callable[[int, bytes], bytes]
) -> None:
    relay.meddle = meddle
    carried(relay)


def test_a_port_that_answers_nothing_costs_a_second(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a firewall that drops packets; all travels with the messages."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr(Relay, "open", lambda *_: f"tcp://127.0.0.1:{port}")
        assert carried(relay) == 0


@pytest.mark.parametrize(
    ("function", "argument", "value"),
    [(lengthen, b"1", lengthen(b"1")), (len, lengthen(b"1"), SIZE)],
    ids=["result", "input"],
)
def test_heartbeats_pass_by_a_large_frame(
    relay: Relay, function: Callable[[bytes], Any], argument: bytes, value: Any
) -> None:
    """Its way may take longer than a runner, or a monitor, may be silent."""
    events: list[AnyEvent] = []
    beats = itertools.count(1)
    held, on = threading.Event(), threading.Event()

    def hold(passed: int, data: bytes) -> bytes:
        if passed > SIZE // 2:
            held.set()
            on.wait(20)
        return data

    def hear(event: AnyEvent) -> None:
        events.append(event)
        if held.is_set() and isinstance(event, RunnerVitals) and next(beats) == 70:
            on.set()

    relay.meddle = hold
    times = {"heartbeat_interval": 0.1, "silence_limit": 1.0, "orphan_time": 1.0}
    with GridExecutor(
        max_workers=1,
        backend=loopback.NAME,
        settings={"host": "127.0.0.1", **times},
        observers=[("test", hear)],
    ) as executor:
        assert executor.submit(function, argument).result() == value
    assert on.is_set()
    assert not [event for event in events if isinstance(event, JobFailed)]
    assert len([event for event in events if isinstance(event, JobsGranted)]) == 1


def test_an_answer_of_the_driver_that_is_lost_loses_no_result(relay: Relay) -> None:
    """The frame is there, and its runner does not know; it is sent once more."""
    lost = threading.Event()

    def lose(passed: int, data: bytes) -> bytes:
        said = CHALLENGE_BYTES + ANSWER_BYTES
        if passed == said and data == b"\1" and not lost.is_set():
            lost.set()
            raise ConnectionResetError
        return data

    relay.meddle = lose
    carried(relay)
    assert lost.is_set()


@pytest.mark.parametrize("part", [SIZE, SIZE // 2], ids=["as it is", "compressed"])
def test_what_jobs_share_crosses_once_for_a_node(
    relay: Relay, part: int, tmp_path: Path
) -> None:
    """Each of its runners has it, in the same memory."""
    count = 4
    table = np.zeros(SIZE, np.uint8)
    table[:part] = np.frombuffer(lengthen(b"random"), np.uint8)[:part]
    values = grid_map(
        functools.partial(jobs.share, str(tmp_path), count),
        range(count),
        shared={"table": table},
        backend=loopback.NAME,
        max_workers=count,
        jobs_per_runner=1,
        settings={"host": "127.0.0.1"},
    )
    _, runners, digests, memories = zip(*values, strict=True)
    assert len(set(runners)) == count
    assert set(digests) == {hashlib.sha256(bytes(table)).hexdigest()}
    assert part < relay.carried < part * 1.5
    assert set.intersection(*memories)
