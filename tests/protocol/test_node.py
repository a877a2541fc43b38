"""Runners of a node that share what they are sent: real processes, sockets and memory."""

import contextlib
import functools
import gc
import os
import resource
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.node import Member, crew, frame, fresh, is_bound, leader, member, taken

from gridmap import payload
from gridmap.connection import ConnectionFile, new_token
from gridmap.monitor.apart import Apart
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.runner.node.naming import Content
from gridmap.runner.node.sharing import Sharing
from gridmap.runner.talk import Talk
from gridmap.testing import eventually
from gridmap.testing.leftovers import holdings
from gridmap.transport.addresses import Endpoint
from gridmap.transport.bulk import client
from gridmap.transport.bulk.requests import node_secret, secret
from gridmap.transport.bulk.server import BulkServer
from gridmap.transport.limits import Limits


def test_runners_of_a_node_download_a_frame_once_and_hold_it_once() -> None:
    """However many there are, and whenever they come."""
    with crew([1 << 20, 1000]) as node:
        node.hire(5)
        for peer in node.peers:
            peer.say("obtain")
        leader = node.await_fetch()
        leader.say("go")
        leader.say("go")
        inodes, fetched = set(), 0
        for _ in range(2 * 5 + 1):
            _, words = node.await_word()
            fetched += words[0] == "fetch"
            inodes |= {words[2]} if words[0] == "have" else set()
        assert (fetched, len(inodes)) == (1, 2), "the second frame, and both frames"
        (late,) = node.hire(1)
        late.say("obtain")
        assert node.await_frames(2) == inodes


def test_a_leader_that_is_killed_while_it_fetches_is_succeeded() -> None:
    """At once: the kernel tells of its end."""
    with crew() as node:
        for peer in node.hire(4):
            peer.say("obtain")
        leader = node.await_fetch()
        leader.end()
        node.await_fetch().say("go")
        assert len(node.await_frames(3)) == 1


def test_who_has_a_frame_hands_it_on_after_its_leader() -> None:
    """Killed or told to forget, one after the other, down to the last that has it."""
    with crew() as node:
        peers = {peer.process.pid: peer for peer in node.hire(4)}
        for peer in peers.values():
            peer.say("obtain")
        node.await_fetch().say("go")
        inodes = node.await_frames(4)
        for way in ("kill", "forget", "kill"):
            gone = leader(node.content)
            if way == "kill":
                peers[gone].end()
            else:
                peers[gone].say("forget")
            eventually(
                lambda gone=gone: leader(node.content) not in (0, gone),  # type: ignore[misc] # mypy cannot tell what it takes
                within_s=20,
                what="a successor",
            )
            (late,) = node.hire(1)
            late.say("obtain")
            assert node.await_frames(1) == inodes
            late.end()
        peers[leader(node.content)].say("forget")
        eventually(lambda: not is_bound(node.content), within_s=20, what="the end")


@pytest.mark.slow
def test_a_stopped_leader_is_waited_for_a_moment_only() -> None:
    """Suspended by its scheduler, say; one of the others fetches for all of them."""
    with crew() as node:
        for peer in node.hire(3):
            peer.say("obtain")
        leader = node.await_fetch()
        leader.process.send_signal(signal.SIGSTOP)
        node.await_fetch().say("go")
        assert len(node.await_frames(2)) == 1
        assert is_bound(node.content, 1)
        leader.process.send_signal(signal.SIGCONT)
        leader.say("go")
        node.await_frames(1)


def test_a_leader_that_cannot_fetch_leaves_it_to_others() -> None:
    """It may be for want of memory, or of its own connection."""
    with crew() as node:
        for peer in node.hire(3):
            peer.say("obtain")
        leader = node.await_fetch()
        leader.say("fail")
        told = [node.await_word() for _ in range(2)]
        assert sorted(words[0] for _, words in told) == ["failed", "fetch"]
        (other,) = [peer for peer, words in told if words[0] == "fetch"]
        assert other is not leader
        other.say("go")
        assert len(node.await_frames(2)) == 1


def test_who_has_no_descriptor_left_fetches_for_itself() -> None:
    """Nobody waits, and the leader goes on."""
    with crew() as node:
        leader, poor, other = node.hire(3)
        leader.say("obtain")
        node.await_fetch().say("go")
        inodes = node.await_frames(1)
        poor.say("use-up")
        poor.say("obtain")
        assert node.await_fetch() is poor
        poor.say("go")
        assert node.await_frames(1) != inodes
        assert not is_bound(node.content, 1), "it is no leader of others"
        other.say("obtain")
        assert node.await_frames(1) == inodes


def test_a_bug_in_the_thread_leaves_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor anything else; each fetches for himself from then on."""
    before, content, on = holdings(), fresh([1000]), threading.Event()

    def fail() -> None:
        assert on.wait(20)
        raise ZeroDivisionError

    with member(content) as one, ThreadPoolExecutor(1) as threads:
        os.close(one.obtain())
        one.sharing._post(fail)
        asking = threads.submit(one.obtain)
        eventually(one.sharing._tasks.qsize, within_s=20, what="a question")
        on.set()
        assert taken(asking.result(20)) == taken(one.obtain()) == frame(content, 0)
    assert one.downloads == 3
    assert "ZeroDivisionError" in caplog.text
    assert not holdings().beyond(before)


@pytest.mark.usefixtures("few_descriptors")
def test_many_followers_use_up_no_descriptors() -> None:
    """A leader hands a frame to as many as it can have lines to; others download."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    content = fresh([1000])
    with member(content) as leader:
        assert taken(leader.obtain()) == frame(content, 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        followers = [Member(content) for _ in range(80)]
        with ThreadPoolExecutor(80) as threads:
            got = list(threads.map(Member.obtain, followers))
        assert {taken(descriptor) for descriptor in got} == {frame(content, 0)}
        downloads = sum(follower.downloads for follower in followers)
        assert 80 - 50 <= downloads < 80
        for follower in followers:
            follower.sharing.close()


def test_two_errands_of_one_runner_fetch_once() -> None:
    """One of before a lost connection, and one of after it."""
    content = fresh([1000])
    begun, on = threading.Event(), threading.Event()

    with member(content) as one, ThreadPoolExecutor(2) as threads:

        def slowly() -> int:
            begun.set()
            assert on.wait(20)
            return one.load(0)

        first = threads.submit(one.sharing.enter(content), 0, slowly)
        assert begun.wait(20)
        second = threads.submit(one.obtain)
        on.set()
        assert taken(first.result()) == taken(second.result()) == frame(content, 0)
        assert one.downloads == 1


@pytest.mark.usefixtures("few_descriptors")
def test_a_frame_that_could_not_be_kept_is_not_taken_for_the_next() -> None:
    """Of two errands, one goes on to the next frame while the other fails at this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    content = fresh([1000, 1000])
    begun, on, fails = threading.Event(), threading.Event(), threading.Event()

    with member(content) as one, ThreadPoolExecutor(3) as threads:
        errands = [one.sharing.enter(content) for _ in range(2)]

        def load() -> int:
            begun.set()
            assert on.wait(20)
            descriptor = one.load(0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            return descriptor

        def fail() -> int:
            assert fails.wait(20)
            raise ConnectionResetError

        def waiting() -> bool:
            part = one.sharing._parts.get(content)
            return part is not None and bool(part.seat._askers)

        first = threads.submit(errands[0], 0, load)
        assert begun.wait(20)
        second = threads.submit(errands[1], 0, fail)
        eventually(waiting, within_s=20, what="another errand")
        on.set()
        assert taken(first.result(20)) == frame(content, 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        third = threads.submit(errands[0], 1, lambda: one.load(1))
        eventually(lambda: third.done() or waiting(), within_s=20, what="a question")
        fails.set()
        assert taken(third.result(20)) == frame(content, 1)
        with pytest.raises(ConnectionResetError):
            second.result(20)
        with member(content) as other:
            assert taken(other.obtain()) == frame(content, 0)


def test_what_was_forgotten_is_not_kept_by_an_errand_of_before() -> None:
    """It goes on, wanted by nobody, also where the same is shared anew."""
    content = fresh([1000, 1000])
    with member(content) as one:
        taken(one.obtain(0))
        one.sharing.forget(content.digest)
        assert taken(one.obtain(1)) == frame(content, 1)
        assert not is_bound(content)
        anew = one.sharing.enter(content)
        assert taken(one.obtain(1)) == frame(content, 1)
        assert not is_bound(content)
        for number in range(2):
            os.close(anew(number, functools.partial(one.load, number)))
        with member(content) as other:
            assert other.obtain_all() == [frame(content, 0), frame(content, 1)]
            assert other.downloads == 0


def test_what_another_driver_sends_takes_the_place_of_what_was_shared() -> None:
    """Runners that outlive their driver are told other secrets, and meet elsewhere."""
    content = fresh([1000])
    anew = msgspec.structs.replace(content, secret=os.urandom(32))
    with member(content) as one:
        os.close(one.obtain())
        os.close(one.sharing.enter(anew)(0, lambda: one.load(0)))
        assert (is_bound(content), is_bound(anew)) == (False, True)


def test_the_end_leaves_no_thread_and_no_descriptor() -> None:
    """Whatever a runner was to the others, and whoever waited."""
    before = holdings()
    content = fresh()
    with member(content) as leader, member(content) as follower:
        assert leader.obtain_all() == follower.obtain_all()
        for other in (leader, follower):
            other.sharing.close()
            assert taken(other.obtain()) == frame(content, 0), "nobody is asked now"
    assert not holdings().beyond(before)
    assert not is_bound(content)


def test_who_waits_when_it_is_over_fetches_for_himself() -> None:
    """A runner that ends does not wait for its errands, nor they for it."""
    content = fresh([1000])
    on = threading.Event()
    with member(content) as leader, ThreadPoolExecutor(2) as threads:

        def slowly() -> int:
            assert on.wait(20)
            return leader.load(0)

        first = threads.submit(leader.sharing.enter(content), 0, slowly)
        eventually(lambda: is_bound(content), within_s=20, what="a leader")
        follower = Member(content)
        second = threads.submit(follower.obtain)
        follower.sharing.close()
        assert taken(second.result()) == frame(content, 0)
        on.set()
        assert taken(first.result()) == frame(content, 0)


def test_without_a_thread_there_is_no_sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is left of the attempt."""

    def refuse(_: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    before = holdings()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        Sharing()
    assert not holdings().beyond(before)


def test_what_is_shared_is_not_inherited() -> None:
    """A worker that is started later has none of it."""
    with member(fresh([1000])) as one:
        before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
        os.close(one.obtain())
        new = set(map(int, os.listdir("/proc/self/fd"))) - set(map(int, before))  # noqa: PTH208
        assert not [fd for fd in new if _is_inheritable(fd)]
        assert new


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # that of the listing itself
        return False


# Runners and their driver -----------------------------------------------------------

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
