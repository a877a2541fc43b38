"""Who is no runner of the run, on a node where its runners share what they were sent.

Names in the kernel's abstract namespace can be seen by everybody, and bound by whoever
comes first. All he achieves is one more download.
"""

import contextlib
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from tests.node import (
    Member,
    frame,
    fresh,
    is_bound,
    member,
    sealed,
    sealed_memory,
    taken,
)
from tests.others import OtherUser

from gridmap.kernel import ADD_SEALS
from gridmap.runner.node import lines
from gridmap.runner.node.naming import Content
from gridmap.testing import eventually
from gridmap.testing.leftovers import holdings
from gridmap.transport.bulk.requests import (
    ANSWER_BYTES,
    CHALLENGE_BYTES,
    REQUEST_BYTES,
)

SIZE: Final = 1000
PATIENCE_S: Final = 20.0

SQUAT = """
import socket, sys
name = b"\\0" + bytes.fromhex(sys.argv[1])
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
    listener.bind(name)
    listener.listen()
    listener.settimeout(20)
    for _ in range(2):
        guest, _ = listener.accept()
        guest.settimeout(20)
        try:
            guest.send(bytes(16))
            print(len(guest.recv(1000)))
        except ConnectionError:
            print(0)
"""

KNOCK = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
    sock.settimeout(20)
    sock.connect(b"\\0" + bytes.fromhex(sys.argv[1]))
    print(len(sock.recv(1000)))
"""


@pytest.fixture
def content() -> Content:
    """Return what is shared."""
    return fresh([SIZE])


def program(text: str, content: Content) -> list[str]:
    return ["/usr/bin/python3", "-c", text, content.place(0)[1:].hex()]


def raw() -> socket.socket:
    """Return a socket that waits for a while."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(PATIENCE_S)
    return sock


def test_another_user_who_takes_the_name_is_hung_up_on(
    content: Content, other_user: OtherUser
) -> None:
    """He hears nothing, and the runners go on with the next name."""
    said: list[str] = []

    def squat() -> None:
        done = other_user.run(program(SQUAT, content))
        said.append(done.stdout + done.stderr)

    squatter = threading.Thread(target=squat)
    squatter.start()
    eventually(lambda: is_bound(content), within_s=20, what="a squatter")
    with member(content) as one, member(content) as other:
        assert taken(one.obtain()) == taken(other.obtain()) == frame(content, 0)
        assert is_bound(content, 1)
        assert (one.downloads, other.downloads) == (1, 0)
        squatter.join()
    assert said == ["0\n0\n"]


def test_another_user_who_knocks_is_hung_up_on(
    content: Content, other_user: OtherUser
) -> None:
    """He is told nothing, and runners are served behind him."""
    with member(content) as leader, member(content) as other:
        os.close(leader.obtain())
        done = other_user.run(program(KNOCK, content))
        assert (done.stdout.strip(), done.stderr) == ("0", "")
        assert taken(other.obtain()) == frame(content, 0)
        assert other.downloads == 0


@pytest.mark.parametrize("said", [b"", b"x", bytes(REQUEST_BYTES), bytes(5000)])
def test_who_does_not_know_the_secret_is_handed_nothing(
    content: Content, said: bytes
) -> None:
    """Though he is the same user, who could have it otherwise."""
    with member(content) as leader, raw() as sock:
        os.close(leader.obtain())
        sock.connect(content.place(0))
        assert len(sock.recv(1000)) == CHALLENGE_BYTES
        sock.send(said)
        assert sock.recvmsg(1000, 1000)[:2] == (b"", [])


def test_what_a_runner_said_cannot_be_said_again(content: Content) -> None:
    """Each line asks anew."""
    with member(content) as leader, raw() as first, raw() as second:
        os.close(leader.obtain())
        follower = lines.connect(content.place(0))
        assert follower is not None
        with follower.sock:
            follower.sock.setblocking(True)
            heard: list[bytes] = []
            real = follower.sock
            follower.sock = _Listening(real, heard)  # type: ignore[assignment] # it has what is used
            assert follower.hear(content.key(0), 0, lambda _: True) is None
        del first
        second.connect(content.place(0))
        second.recv(1000)
        second.send(heard[0])
        assert second.recvmsg(1000, 1000)[:2] == (b"", [])


class _Listening:
    """A socket that is listened to."""

    def __init__(self, sock: socket.socket, heard: list[bytes]) -> None:
        self._sock, self._heard = sock, heard
        self.recvmsg = sock.recvmsg

    def send(self, data: bytes) -> int:
        """Send, and remember what."""
        self._heard.append(data)
        return self._sock.send(data)


def leading(act: Callable[[socket.socket], object]) -> Callable[[Content], None]:
    """Return what takes the name, and does something with the first who comes."""

    def lead(content: Content) -> None:
        with raw() as listener:
            listener.bind(content.place(0))
            listener.listen()
            with listener.accept()[0] as guest:
                guest.settimeout(PATIENCE_S)
                act(guest)
                with contextlib.suppress(ConnectionError):
                    while guest.recv(1000):
                        pass

    return lead


def answer_nonsense(guest: socket.socket) -> None:
    """Challenge, and be unable to answer."""
    guest.send(os.urandom(CHALLENGE_BYTES))
    assert len(guest.recv(1000)) == REQUEST_BYTES
    guest.send(os.urandom(ANSWER_BYTES))
    hand_at_once(guest)


def hand_at_once(guest: socket.socket) -> None:
    """Hand something over without having proven anything."""
    descriptor = sealed_memory(bytes(SIZE))
    with contextlib.suppress(ConnectionError):  # who saw through it has hung up
        socket.send_fds(guest, [b"!"], [descriptor])
    os.close(descriptor)


STRANGERS: Final[dict[str, Callable[[socket.socket], object]]] = {
    "no challenge": lambda guest: guest.send(b"HTTP/1.1 200 OK"),
    "no answer": answer_nonsense,
    "a frame at once": hand_at_once,
    "an end": lambda guest: guest.shutdown(socket.SHUT_RDWR),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("act", STRANGERS.values(), ids=STRANGERS)
def test_who_does_not_know_the_secret_leads_nobody(
    content: Content, act: Callable[[socket.socket], object]
) -> None:
    """What he says or hands over is not looked at."""
    squatter = threading.Thread(target=leading(act), args=[content])
    squatter.start()
    eventually(lambda: is_bound(content), within_s=20, what="a squatter")
    with member(content) as one:
        assert taken(one.obtain()) == frame(content, 0)
        assert one.downloads == 1
    squatter.join()


@pytest.mark.slow
def test_who_takes_every_name_and_says_nothing_costs_some_seconds(
    content: Content,
) -> None:
    """Or binds it and does not even listen."""
    with contextlib.ExitStack() as stack:
        for generation in range(3):
            sock = stack.enter_context(raw())
            sock.bind(content.place(generation))
            if generation != 1:
                sock.listen()
        with member(content) as one:
            assert taken(one.obtain()) == frame(content, 0)


def loose(content: Content) -> list[int]:
    """Return the frame in memory that can still be changed."""
    descriptor = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.write(descriptor, frame(content, 0))
    return [descriptor]


def nearly_sealed(content: Content) -> list[int]:
    """Return the frame in memory that can still be written to."""
    (descriptor,) = loose(content)
    fcntl.fcntl(descriptor, ADD_SEALS, 0x1 | 0x2 | 0x4)
    return [descriptor]


LIES: Final[dict[str, Callable[[Content], list[int]]]] = {
    "memory without seals": loose,
    "memory that could still change": nearly_sealed,
    "memory of another size": lambda _: [sealed_memory(bytes(SIZE - 1))],
    "a counter": lambda _: [os.eventfd(0)],
    "a device": lambda _: [os.open("/dev/zero", os.O_RDONLY)],
    "nothing": lambda _: [],
    "two": lambda content: [sealed(content, 0), sealed(content, 0)],
    "more than there is room for": lambda content: [sealed(content, 0)] * 50,
}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """See to it that no descriptor is left."""
    before = holdings()
    yield
    assert not holdings().beyond(before)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_only_sealed_memory_of_the_right_size_is_taken(
    content: Content, lie: Callable[[Content], list[int]]
) -> None:
    """Even from one who knows the secret. What else comes along is closed."""
    descriptors = lie(content)
    listener = lines.listen(content.place(0))
    assert listener is not None

    def lead(listener: socket.socket) -> None:
        listener.settimeout(PATIENCE_S)
        line = lines.Leading(listener.accept()[0])
        line.sock.settimeout(PATIENCE_S)
        assert line.hear(content.key(0), 1) == 0
        socket.send_fds(line.sock, [b"!"], descriptors)
        with line.sock, contextlib.suppress(ConnectionError):
            assert line.sock.recv(1000) == b"", "it hangs up"

    with listener, member(content) as one:
        liar = threading.Thread(target=lead, args=[listener])
        liar.start()
        assert taken(one.obtain()) == frame(content, 0)
        assert one.downloads == 1
        liar.join()
    for descriptor in set(descriptors):
        os.close(descriptor)


@pytest.mark.slow
def test_who_proves_nothing_is_hung_up_on(content: Content) -> None:
    """However still he is."""
    with member(content) as leader, raw() as sock:
        os.close(leader.obtain())
        sock.connect(content.place(0))
        assert len(sock.recv(1000)) == CHALLENGE_BYTES
        assert sock.recv(1000) == b""


def test_a_crowd_that_proves_nothing_is_no_hindrance(content: Content) -> None:
    """The runners among them are served."""
    with contextlib.ExitStack() as crowd, member(content) as leader:
        os.close(leader.obtain())
        for _ in range(100):
            sock = crowd.enter_context(raw())
            sock.connect(content.place(0))
        other = Member(content)
        with contextlib.closing(other.sharing):
            assert taken(other.obtain()) == frame(content, 0)
        assert other.downloads == 0
