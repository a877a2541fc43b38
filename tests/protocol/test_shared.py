"""What a driver sends for many jobs reaches a node once: real ports, and real memory."""

import contextlib
import gc
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.node import is_bound

from gridmap import payload
from gridmap.connection import ConnectionFile, new_token
from gridmap.monitor.apart import Apart
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.runner.node.naming import Content
from gridmap.runner.talk import Talk
from gridmap.testing import eventually
from gridmap.transport.addresses import Endpoint
from gridmap.transport.bulk import client
from gridmap.transport.bulk.requests import node_secret, secret
from gridmap.transport.bulk.server import BulkServer
from gridmap.transport.limits import Limits

KEY = "k" * 40
DIGEST = b"d" * 20
FRAMES = [os.urandom(1 << 20), b"small", os.urandom(1 << 20) + bytes(2 << 20)]
ENCODED = payload.encode(FRAMES, "auto")
LARGE = [len(frame) for frame in ENCODED if len(frame) >= 1 << 20]
"""The sizes of those that travel apart; the last of them is compressed."""


HELLO = m.Hello(
    version=m.VERSION, nonce="nonce", job=None, task=None, node="node", pid=1,
    python=(3, 11, 0), gridmap="1",
)  # fmt: skip


class Driver:
    """A driver's end for large frames, and runners that it says something to."""

    def __init__(self) -> None:
        self.token = new_token()
        endpoint = Endpoint(bind="127.0.0.1", offer="127.0.0.1")
        proof = secret(KEY, self.token)
        self.server = BulkServer([endpoint], proof, Limits())
        self.apart = Apart(self.server)
        self.logged: list[str] = []
        self._undo = contextlib.ExitStack()

    @property
    def lying(self) -> int:
        """How many frames lie there to be fetched."""
        return len(self.server.depot._offers)

    @property
    def content(self) -> Content:
        """What its runners share."""
        return Content(DIGEST, tuple(LARGE), node_secret(KEY, self.token))

    def runner(self, name: str) -> tuple[Talk, threading.Event]:
        """Return one that was let in, and what it is woken by."""
        woken = threading.Event()
        line = Line(self.server.addresses[0])
        talk = Talk(line, name, woken.set, self.logged.append)  # type: ignore[arg-type] # it has what is used
        self._undo.callback(talk.close)
        self.apart.meet(name.encode(), talk.introduce(HELLO, self.file()))
        key = self.apart.upload_key(name.encode())
        welcome = m.Welcome(version=m.VERSION, interval=9.0, orphan=9.0, upload=key)
        talk.hear([codec.encode(welcome)])
        return talk, woken

    def file(self, key: str = KEY) -> ConnectionFile:
        """Return what tells a runner where to go, and with which key."""
        return ConnectionFile(
            server_public_key=KEY,
            client_public_key=KEY,
            client_secret_key=key,
            addresses=self.server.addresses,
            bulk=self.server.addresses,
            token=self.token,
            backend="b",
            backend_factory="b:b",
        )

    def send(self, name: str, *, once: bool = False) -> list[payload.Frame]:
        """Return what a runner is sent."""
        offer = self.apart.offering(name.encode())
        assert offer is not None
        content = codec.encode(m.Content(digest=DIGEST, once=once))
        return [content, *payload.refer(ENCODED, offer)]

    def close(self) -> None:
        """End all."""
        self._undo.close()
        self.apart.close()


class Line:
    """Where a runner is connected to, and where nothing is said."""

    def __init__(self, address: str) -> None:
        self.address = address

    def send(self, frames: Sequence[Any]) -> bool:
        """Say nothing."""
        pytest.fail(f"a runner says {frames}")


@pytest.fixture
def driver() -> Iterator[Driver]:
    """Return a driver's end."""
    with contextlib.closing(Driver()) as one:
        yield one


def hear(driver: Driver, name: str, *, once: bool = False) -> Talk:
    """Let a runner come and hear what is shared; it is what it should be."""
    talk, woken = driver.runner(name)
    heard = talk.hear(driver.send(name, once=once))
    assert woken.wait(20)
    assert woken.wait(20)
    came = [heard] if heard is not None else list(talk.awaited())
    assert came, driver.logged
    ((_, frames),) = came
    assert [bytes(one) for one in frames] == FRAMES
    del frames
    return talk


def test_a_driver_sends_what_is_shared_once_to_a_node(driver: Driver) -> None:
    """And keeps nothing for those who had it from others."""
    hear(driver, "first")
    hear(driver, "second")
    eventually(lambda: driver.lying == 0, within_s=20, what="what nobody fetches gone")
    size = f"{sum(LARGE):,}"
    assert driver.logged == [f"{size} bytes came from another runner on this node"]
    assert len(LARGE) == 2
    assert LARGE[1] < len(FRAMES[2])


def test_what_was_compressed_is_opened_once_on_a_node(driver: Driver) -> None:
    """Else each runner would hold a copy of its own."""
    hear(driver, "first")
    hear(driver, "second")
    memories = {os.fstat(descriptor).st_ino for descriptor in large_memories()}
    assert len(memories) == 2
    sizes = [os.fstat(descriptor).st_size for descriptor in large_memories()]
    assert sorted(sizes) == sorted([len(FRAMES[0]), len(FRAMES[2])] * 2)


def test_what_is_here_at_once_is_taken_in_at_once(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An errand may be over before anybody looks: another runner has all of it."""
    talk, _ = driver.runner("first")
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        begin(thread)
        if thread.name == "gridmap-bulk":
            thread.join(20)

    monkeypatch.setattr(threading.Thread, "start", start)
    heard = talk.hear(driver.send("first"))
    assert not talk.misheard
    assert heard is not None
    assert [bytes(one) for one in heard[1]] == FRAMES


def test_a_key_that_changed_is_shown_to_be_good(driver: Driver) -> None:
    """The next driver of a run may have the same port; it has another key."""
    talk, _ = driver.runner("first")
    assert talk.introduce(HELLO, driver.file()).apart
    assert not talk.introduce(HELLO, driver.file("l" * 40)).apart
    assert talk.introduce(HELLO, driver.file()).apart


def test_what_no_job_needs_is_not_handed_on(driver: Driver) -> None:
    """Who is told to discard it lets go of its memory."""
    talk = hear(driver, "first")
    assert is_bound(driver.content)
    assert len(large_memories()) == 2
    talk.hear([codec.encode(m.Discard(digest=DIGEST))])
    eventually(lambda: not is_bound(driver.content), within_s=20, what="the end")
    assert not large_memories()


def large_memories() -> list[int]:
    """Return the descriptors that this process has of large frames."""
    gc.collect()
    links = Path("/proc/self/fd").iterdir()
    found = [link for link in links if "gridmap-frame" in os.path.realpath(link)]
    return [int(link.name) for link in found if link.stat().st_size >= 1 << 20]


def test_what_is_for_one_runner_is_not_shared(driver: Driver) -> None:
    """A checkpoint is; it would only lie there."""
    hear(driver, "first", once=True)
    assert not is_bound(driver.content)
    assert not [t for t in threading.enumerate() if t.name == "gridmap-node"]


def test_what_was_declined_cannot_be_fetched(driver: Driver) -> None:
    talk, woken = driver.runner("first")
    said = driver.send("first")
    for ticket in list(driver.server.depot._offers):
        client.decline(driver.server.addresses[0], secret(KEY, driver.token), ticket)
    assert driver.lying == 0
    talk.hear(said)
    assert woken.wait(20)
    assert not list(talk.awaited())
    assert talk.misheard, "it asks for it again"
