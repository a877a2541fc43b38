"""What a runner says and hears while a large frame is on its way."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from tests.greetings import HELLO

from gridmap import payload
from gridmap.connection import ConnectionFile, new_token
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.pieces import PIECE_BYTES
from gridmap.runner import apart
from gridmap.runner.actions import Say
from gridmap.runner.talk import Talk
from gridmap.transport.bulk import client
from gridmap.transport.bulk.requests import REFERENCE, numbered
from gridmap.transport.bulk.sealing import fresh_key, fresh_ticket

LARGE = bytes(range(256)) * 8192
WELCOME = m.Welcome(
    version=m.VERSION, interval=10.0, orphan=600.0, compression="none", upload=b"k" * 32
)
FILE = ConnectionFile(
    addresses=("unix:///monitor",),
    token=new_token(),
    backend="x",
    backend_factory="x",
)


class Line:
    """What is sent to the monitor, in place of a connection."""

    address = "tcp://127.0.0.1:1"

    def __init__(self) -> None:
        self.sent: list[m.FromRunner] = []
        self.full = False

    def send(self, frames: Sequence[Any]) -> bool:
        """Take a message, if there is room."""
        if self.full:
            return False
        self.sent.append(codec.decode_from_runner(bytes(frames[0])))
        return True


class Network:
    """What becomes of large frames: each waits until it is let through or refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.refuses = False
        self._through, self._over = threading.Semaphore(0), threading.Event()
        monkeypatch.setattr(client, "upload", self._upload)

    def _upload(self, *_: object) -> None:
        self.begun += 1
        assert self._through.acquire(timeout=20)
        if self.refuses:
            raise ConnectionRefusedError

    def let_through(self, talk: Talk, woken: threading.Event) -> None:
        """Have the frame under way arrive, or fail; let the runner's thread see that."""
        woken.clear()
        self._through.release()
        assert woken.wait(20)
        assert not list(talk.awaited())


class Bench:
    """A runner's end of the talk.

    Attributes:
        offered: How many frames it was offered in pieces.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.line, self.woken = Line(), threading.Event()
        self.network = Network(monkeypatch)
        self.talk = Talk(self.line, "nonce", self.woken.set, print)  # type: ignore[arg-type] # it has what is used
        way = apart.Way("tcp://127.0.0.1:9", b"s" * 32, open=True)
        self.talk._large._apart._way = way
        self.talk.hear([codec.encode(WELCOME)])
        self.offered = 0

    def greet(self) -> None:
        """Say hello once more."""
        self.talk.introduce(HELLO, FILE)

    def report(self, number: int) -> None:
        """Say that a job returned something large."""
        message = m.Report(number=number, grant=1, first=number, count=1, seconds=1.0)
        frames = payload.pack([payload.Parcel(b"x", (LARGE,))])
        self.talk.say(Say(message=message, frames=frames))

    def let_pieces_through(self, bring: m.Bring) -> None:
        """Let a frame that is brought in pieces arrive."""
        (size,) = bring.sizes
        credit = m.Credit(frame=bring.first, came=0, until=size)
        self.woken.clear()
        self.talk.hear([codec.encode(credit)])
        assert self.woken.is_set()
        assert not list(self.talk.awaited())

    def arrive(self) -> None:
        """Let what is under way be over."""
        self.network.let_through(self.talk, self.woken)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_result_under_way_is_not_brought_once_more(bench: Bench) -> None:
    """What is not acknowledged is said again, and may only be slow."""
    for _ in range(3):
        bench.report(1)
        bench.report(2)
    bench.arrive()
    bench.report(2)
    bench.arrive()
    assert bench.network.begun == 2
    assert [said.number for said in bench.line.sent] == [1, 2]  # type: ignore[union-attr] # reports
    bench.report(1)  # it arrived, and its acknowledgement was lost
    bench.arrive()
    assert bench.network.begun == 3


def test_heartbeats_do_not_wait(bench: Bench) -> None:
    """For a result, that is; other words do, in their order."""
    bench.report(1)
    bench.talk.say(Say(message=m.Returned(number=2, grant=1, first=5, count=1)))
    bench.talk.say(Say(message=m.Beat(number=1, holds=(1,))))
    assert [type(said) for said in bench.line.sent] == [m.Beat]
    bench.arrive()
    assert [type(said) for said in bench.line.sent] == [m.Beat, m.Report, m.Returned]


def test_who_cannot_bring_large_frames_still_takes_them(bench: Bench) -> None:
    """The monitor does not know, and goes on offering them until the next greeting."""
    bench.network.refuses = True
    for number in range(1, 5):
        begun = len(bench.line.sent)
        bench.report(number)
        if number < 4:
            bench.arrive()
        (bring,) = bench.line.sent[begun:]
        assert isinstance(bring, m.Bring), "it travels in pieces"
        bench.let_pieces_through(bring)
        assert isinstance(bench.line.sent[-1], m.Report)
    assert bench.network.begun == 3
    offered = payload.refer(
        payload.encode([b"head", LARGE], "none"),
        lambda frame: REFERENCE.pack(fresh_ticket(), fresh_key(), len(frame)),
    )
    content = m.Content(digest=b"d" * 20)
    bench.woken.clear()
    assert bench.talk.hear([codec.encode(content), *offered]) is None
    assert bench.woken.wait(20), "it is being fetched"


def offer(bench: Bench, message: m.FromMonitor) -> int:
    """Have the runner hear a message that refers to a frame; return that's number."""
    bench.offered += 1
    encoded = payload.encode([b"head", LARGE], "none")
    referring = payload.refer(encoded, lambda f: numbered(bench.offered, len(f)))
    assert bench.talk.hear([codec.encode(message), *referring]) is None
    return bench.offered


def come(bench: Bench, frame: int) -> None:
    """Have all of a frame come, so that what waits for it goes on."""
    for at in range(0, len(LARGE), PIECE_BYTES):
        piece = codec.encode(m.Piece(frame=frame, at=at))
        bench.talk.hear([piece, LARGE[at : at + PIECE_BYTES]])


def work(grant: int) -> m.Work:
    """Return work."""
    return m.Work(grant=grant, first=grant, count=1, attempt=1, function=b"d" * 20)


def test_what_waits_is_heard_in_order(bench: Bench) -> None:
    """Echoes do not wait, nor a welcome that was asked for again."""
    frame = offer(bench, m.Content(digest=b"d" * 20))
    bench.talk.hear([codec.encode(work(1)), *payload.encode([b"input"], "none")])
    assert bench.talk.hear([codec.encode(m.Cancel(grant=1, first=1, count=1))]) is None
    assert bench.talk.coming == {1}
    for at_once in (m.Echo(number=1), WELCOME):
        assert bench.talk.hear([codec.encode(at_once)]) is not None
    come(bench, frame)
    heard = [type(message) for message, _ in bench.talk.awaited()]
    assert heard == [m.Content, m.Work, m.Cancel]


def test_a_greeting_ends_what_was_heard_before_it(bench: Bench) -> None:
    """The monitor takes it for lost: a job would run twice."""
    frame = offer(bench, work(1))
    bench.talk.hear([codec.encode(work(2)), *payload.encode([b"input"], "none")])
    come(bench, frame)
    heard = bench.talk.awaited()
    message, _ = next(heard)
    assert message == work(1)
    bench.greet()
    assert list(heard) == []
    assert bench.talk.coming == frozenset()
    inputs = payload.encode([b"input"], "none")
    assert bench.talk.hear([codec.encode(work(3)), *inputs]) is None, "sent before"
    bench.talk.hear([codec.encode(WELCOME)])
    assert bench.talk.hear([codec.encode(work(2)), *inputs]) is not None


def test_a_greeting_that_is_not_sent_is_due_until_it_is(bench: Bench) -> None:
    """Nobody would answer it, and all work be dropped that comes meanwhile."""
    due = []
    for bench.line.full in (True, False):
        bench.greet()
        bench.talk.say(Say(message=HELLO))
        due.append(bench.talk.misheard)
    assert due == [True, False]
    assert bench.line.sent == [HELLO]
