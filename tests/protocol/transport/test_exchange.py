"""What honest runners and their monitor see of each other."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.protocol.transport.net import Net, linked

from gridmap.errors import LocalProtocolError
from gridmap.testing import eventually
from gridmap.transport import (
    Limits,
    RunKeys,
    UnixMonitorSocket,
    Wakeup,
    runner_socket,
)

if TYPE_CHECKING:
    import contextlib


def test_messages_travel_both_ways(net: Net) -> None:
    """Frames arrive as they were sent, in order, with the sender's identity."""
    runner = net.runner(b"runner-1")
    net.connect(runner)
    assert runner.connected
    assert runner.address in net.monitor.addresses
    assert runner.send([b"hello", b"", b"\x00payload"])
    (message,) = net.take(1)
    assert message.peer == b"runner-1"
    assert message.frames == [b"hello", b"", b"\x00payload"]
    assert net.monitor.send(message.peer, [b"welcome", b"x"])
    assert net.answer(runner) == [b"welcome", b"x"]


def test_large_frames_travel_as_views_into_the_message(net: Net) -> None:
    """The control frame is bytes; a large payload is not copied."""
    runner = net.runner()
    net.connect(runner)
    payload = os.urandom(2_000_000)
    assert runner.send([b"c" * 100_000, payload, memoryview(payload)[:10]])
    (message,) = net.take(1, runner)
    control, large, small = message.frames
    assert control == b"c" * 100_000
    assert isinstance(large, memoryview)
    assert large == payload
    assert small == payload[:10]
    assert net.monitor.send(message.peer, [b"back", large])
    assert net.answer(runner) == [b"back", payload]


def test_a_runner_takes_as_many_frames_as_a_call_is_made_of(net: Net) -> None:
    """The monitor is trusted: each array that a user passes may be a frame."""
    runner = net.runner()
    net.connect(runner)
    runner.send([b"hello"])
    net.take(1)
    frames = [b"work", *(b"%d" % number for number in range(70_000))]
    assert net.monitor.send(b"runner", frames)
    assert net.answer(runner) == frames


def test_many_messages_keep_their_order(net: Net) -> None:
    """Nothing is lost or exchanged when far more is sent than a queue holds."""
    process = net.process("flood", messages=20_000)
    numbers = [int(bytes(m.frames[1])) for m in net.take(20_000)]
    assert numbers == list(range(20_000))
    assert process.poll() is None


def test_a_peer_that_never_came_is_unreachable(net: Net) -> None:
    """Sending to it fails at once, is counted, and disturbs nobody."""
    assert not net.monitor.send(b"nobody", [b"x"])
    assert net.monitor.counters.unreachable == 1


def test_a_peer_that_does_not_read_is_backlogged(net: Net) -> None:
    """The monitor never blocks on a slow runner and holds a bounded number."""
    net.limit(Limits(queued_messages=10))
    monitor = net.monitor
    runner = net.runner()
    net.connect(runner)
    runner.send([b"hello"])
    net.take(1)
    sent = 0
    while monitor.send(b"runner", [b"x" * 50_000]):
        sent += 1
        assert sent < 10_000
    assert monitor.counters.backlogged == 1
    assert net.answer(runner) == [b"x" * 50_000]


def test_wake_from_another_thread_ends_a_poll(net: Net) -> None:
    """The only thread-safe method works from a thread, also many times over."""
    threads = [threading.Thread(target=net.monitor.wake) for _ in range(50)]
    for thread in threads:
        thread.start()
    assert net.monitor.poll(15.0) == Wakeup(woken=True)
    for thread in threads:
        thread.join()
    while net.monitor.poll(0):
        pass
    for _ in range(10_000):
        net.monitor.wake()
    assert net.monitor.poll(0) == Wakeup(woken=True)


def test_wake_after_close_does_nothing(net: Net) -> None:
    """A thread may be late; closing twice is allowed too."""
    net.monitor.close(0.0)
    net.monitor.close(0.0)
    net.monitor.wake()


def test_poll_returns_nothing_when_its_time_is_up(net: Net) -> None:
    """An idle monitor gets an empty answer, neither early nor much too late."""
    begin = time.monotonic()
    assert not net.monitor.poll(0.05)
    assert 0.05 <= time.monotonic() - begin < 5.0


def test_a_runner_waits_for_other_descriptors_too(net: Net) -> None:
    """Pipes are reported when readable and when their other end closes."""
    runner = net.runner()
    net.connect(runner)
    first, end = os.pipe()
    second, other_end = os.pipe()
    try:
        os.write(end, b"x")
        assert runner.wait(15.0, [first, second]).fds == {first}
        os.read(first, 1)
        assert not runner.wait(0, [first, second]).fds
        os.close(other_end)
        assert runner.wait(15.0, [first, second]).fds == {second}
        assert not runner.wait(0, [first]).fds
    finally:
        for descriptor in (first, second, end):
            os.close(descriptor)


def test_a_new_connection_is_heard_whatever_descriptor_it_gets(
    net: Net, undo: contextlib.ExitStack
) -> None:
    """One that was waited for may be closed by now, and its number be used again."""
    number, writer = os.pipe()
    undo.callback(os.close, writer)
    runner = net.runner()
    net.connect(runner)
    runner.wait(0, [number])
    os.close(number)
    net.during(lambda: runner.reconnect(15.0))
    runner.wait(0)
    runner.send([b"hello"])
    net.take(1)
    net.monitor.send(b"runner", [b"welcome"])
    assert net.answer(runner) == [b"welcome"]


def test_a_runner_takes_over_its_identity(net: Net) -> None:
    """The newer connection gets the messages; the old one's end is no news."""
    old = net.runner(b"same")
    net.connect(old)
    old.send([b"old"])
    net.take(1)
    new = net.runner(b"same")
    net.connect(new)
    new.send([b"new"])
    net.take(1)
    assert net.monitor.send(b"same", [b"for the new one"])
    assert net.answer(new) == [b"for the new one"]
    old.close(0.0)
    third = net.runner(b"third")
    net.connect(third)
    third.send([b"later"])
    net.take(1)
    assert net.monitor.disconnected() == []


def test_a_killed_peer_is_named_after_its_last_message(net: Net) -> None:
    """The hint comes at once after kill -9, and after all the peer got through."""
    process = net.process("victim", messages=500)
    net.take(500)
    process.kill()
    process.wait()
    assert net.gone() == [b"victim"]
    net.until(lambda: not net.monitor.send(b"victim", [b"x"]))
    assert not net.monitor.poll(0)


def test_a_peer_that_died_before_it_was_heard_is_named_too(net: Net) -> None:
    """Messages of a dead peer are handed out first, then it is called gone."""
    process = net.process("brief", messages=50)
    net.until(lambda: net.monitor.poll(0).messages)
    process.kill()
    process.wait()
    net.until(lambda: net.monitor.counters.disconnected)
    assert net.monitor.disconnected() == []
    messages = net.monitor.receive()
    assert messages
    assert {m.peer for m in messages} == {b"brief"}
    assert net.monitor.disconnected() == [b"brief"]
    assert net.monitor.disconnected() == []
    assert net.monitor.counters.strangers == 0


def test_descriptors_used_again_do_not_confuse_the_hints(net: Net) -> None:
    """Each of many short-lived peers is named once, the living one never."""
    stays = net.runner(b"stays")
    net.connect(stays)
    for number in range(30):
        runner = net.runner(f"peer-{number}".encode())
        net.connect(runner)
        runner.send([b"hello"])
        stays.send([b"still here"])
        net.take(2)
        runner.close()
        assert net.gone() == [f"peer-{number}".encode()]


def test_a_runner_notices_that_the_monitor_went_and_came_back(net: Net) -> None:
    """Sending says no meanwhile; the connection returns by itself.

    What was half sent then is no part of what is sent to the new one.
    """
    runner = net.runner()
    net.connect(runner)
    assert runner.send([b"half of this", b"x" * 2_000_000])
    net.monitor.close(0.0)
    deadline = time.monotonic() + 15
    while not runner.wait(15.0).connection:
        assert time.monotonic() < deadline
    assert not linked(runner)
    assert runner.disconnected_since is not None
    # The end of a connection is told a moment before libzmq takes nothing for it.
    eventually(
        lambda: not runner.send([b"lost?"]), within_s=15.0, what="sending says no"
    )

    net.come_back()
    net.until(lambda: runner.wait(0).connection and linked(runner))
    assert runner.send([b"again"])
    assert net.take(1)[0].frames == [b"again"]


def test_last_messages_get_out_before_a_runner_closes(net: Net) -> None:
    """Closing waits for what was sent, within its bound."""
    runner = net.runner()
    net.connect(runner)
    payload = b"x" * 2_000_000
    for _ in range(5):
        assert runner.send([b"result", payload])
    net.during(lambda: runner.close(15.0))
    assert len(net.take(5)) == 5


@pytest.mark.parametrize(
    "identity", [b"", b"\x00a", b"x" * 256], ids=["empty", "zero", "long"]
)
def test_an_impossible_identity_is_refused(unix: Net, identity: bytes) -> None:
    """Libzmq would fail later and obscurely."""
    with pytest.raises(LocalProtocolError, match="routing id"):
        runner_socket(unix.file(), identity)


def test_a_frame_longer_than_the_monitor_takes_is_refused(net: Net) -> None:
    """The monitor would cut the connection; the runner learns it from itself."""
    runner = net.runner(limits=Limits(frame_bytes=100_000))
    net.connect(runner)
    with pytest.raises(LocalProtocolError, match="100001 bytes"):
        runner.send([b"result", b"x" * 100_001])
    with pytest.raises(LocalProtocolError, match="at least one"):
        runner.send([])
    assert runner.send([b"result", b"x" * 100_000])
    assert len(net.take(1)[0].frames) == 2


def test_a_long_run_directory_gets_a_short_private_one(
    tmp_path: Path, undo: contextlib.ExitStack
) -> None:
    """A path that no Unix socket can have is replaced, and cleaned up after."""
    directory = tmp_path / ("long" * 30)
    directory.mkdir(mode=0o700)
    monitor = UnixMonitorSocket(directory)
    net = Net(monitor, None, undo, tmp_path)
    short = Path(monitor.addresses[0].removeprefix("unix://")).parent
    assert stat.S_IMODE(short.stat().st_mode) == 0o700
    runner = net.runner()
    net.connect(runner)
    runner.close(0.0)
    monitor.close(0.0)
    assert not short.exists()


def test_keys_are_fresh_and_their_text_shows_no_secret() -> None:
    """Two runs share no key, and repr shows the public ones only."""
    one, two = RunKeys.fresh(), RunKeys.fresh()
    assert one.client_secret_key != two.client_secret_key
    assert one.server_public_key in repr(one)
    assert one.server_secret_key not in f"{one!r}{one}"
    assert one.client_secret_key not in f"{one!r}{one}"
