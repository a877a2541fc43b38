"""Runners of a node that share what they are sent: real processes, sockets and memory."""

import functools
import os
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from tests.node import Member, crew, frame, fresh, is_bound, leader, member, taken

from gridmap.runner.node.sharing import Sharing
from gridmap.testing import eventually
from gridmap.testing.leftovers import holdings


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
