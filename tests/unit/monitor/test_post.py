"""Orders for a runner whose connection is full."""

from collections.abc import Sequence
from typing import Any

from gridmap.monitor.post import MOST_WAITING, Post


class Line:
    """Connections that take so many messages each, until they are read."""

    def __init__(self) -> None:
        self.room = 0
        self.sent: list[tuple[bytes, bytes]] = []

    def send(self, peer: bytes, frames: Sequence[Any]) -> bool:
        """Take a message if there is room."""
        if not self.room:
            return False
        self.room -= 1
        self.sent.append((peer, frames[0]))
        return True


def test_orders_wait_and_keep_their_place() -> None:
    """A word that came behind an order must not pass it: it may build on it."""
    line = Line()
    post = Post(line.send)
    assert not post.send(b"a", [b"lost"])
    assert post.order(b"a", [b"first"])
    assert post.order(b"a", [b"second"])
    line.room = 1
    assert not post.send(b"a", [b"content"])
    assert line.sent == [(b"a", b"first")]
    line.room = 9
    assert post.send(b"a", [b"content"])
    assert [what for _, what in line.sent] == [b"first", b"second", b"content"]
    post.turn()
    assert len(line.sent) == 3


def test_who_does_not_read_holds_up_nobody_else() -> None:
    line = Line()
    post = Post(lambda peer, frames: peer != b"a" and line.send(peer, frames))
    line.room = 1
    assert post.order(b"a", [b"waits"])
    assert post.send(b"b", [b"goes"])
    assert line.sent == [(b"b", b"goes")]


def test_what_waits_is_sent_when_there_is_room() -> None:
    line = Line()
    post = Post(line.send)
    assert post.order(b"a", [b"one"])
    assert post.order(b"b", [b"two"])
    post.turn()
    assert line.sent == []
    line.room = 2
    post.turn()
    assert line.sent == [(b"a", b"one"), (b"b", b"two")]


def test_no_more_is_kept_than_may_be_and_nothing_of_who_is_gone() -> None:
    line = Line()
    post = Post(line.send)
    for number in range(MOST_WAITING):
        assert post.order(b"a", [b"%d" % number])
    assert not post.order(b"a", [b"too many"])
    post.forget(b"a")
    line.room = 9
    assert post.order(b"a", [b"anew"])
    assert line.sent == [(b"a", b"anew")]
