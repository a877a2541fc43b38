"""Large frames on connections of their own: fetched, brought, and turned away."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest
from tests.greetings import HELLO

from gridmap import payload
from gridmap.connection import split_tcp_address
from gridmap.errors import RemoteProtocolError
from gridmap.monitor.apart import Apart
from gridmap.payload import memory, refill
from gridmap.testing import eventually
from gridmap.transport.addresses import Endpoint
from gridmap.transport.bulk import client
from gridmap.transport.bulk.depot import MOST_BROUGHT
from gridmap.transport.bulk.requests import (
    CHALLENGE_BYTES,
    REFERENCE,
    Request,
    Want,
    reference_to,
    upload_key,
)
from gridmap.transport.bulk.sealing import PIECE_BYTES, fresh_key, fresh_ticket
from gridmap.transport.bulk.server import BulkServer
from gridmap.transport.limits import Limits

SECRET = b"s" * 32
FRAME = os.urandom(3 * PIECE_BYTES + 17)
LIMITS = Limits(
    frame_bytes=len(FRAME),
    message_bytes=2 * len(FRAME),
    strangers_at_once=20,
    strangers_hz=50.0,
)

REACHED = msgspec.structs.replace(HELLO, apart=True)


@pytest.fixture
def server() -> Iterator[BulkServer]:
    """Return a driver's end."""
    made = BulkServer([Endpoint(bind="127.0.0.1", offer="127.0.0.1")], SECRET, LIMITS)
    with contextlib.closing(made):
        yield made


def fetched(server: BulkServer, reference: bytes, secret: bytes = SECRET) -> bytes:
    """Fetch what a reference refers to."""
    (address,) = server.addresses
    ticket, key, size = REFERENCE.unpack(reference)
    return bytes(memory.take(client.download(address, secret, ticket, key, size)))


def bring(server: BulkServer, frame: bytes, ticket: bytes | None = None) -> bytes:
    """Bring a frame and return a reference to it."""
    (address,) = server.addresses
    ticket = ticket or fresh_ticket()
    key = upload_key(server.upload_key, ticket)
    client.upload(address, SECRET, ticket, key, frame, lambda: None)
    return reference_to(ticket, len(frame))


def test_a_frame_is_fetched_once(server: BulkServer) -> None:
    reference = server.depot.offer(b"one", FRAME)
    assert fetched(server, reference) == FRAME
    with pytest.raises(ConnectionError):
        fetched(server, reference)


@pytest.mark.parametrize("more", [b"", bytes(memory.LEAST_BYTES)])
def test_a_frame_that_many_inputs_have_is_fetched_once(
    server: BulkServer, more: bytes
) -> None:
    """It lies there for one message at a time, compressed or not."""
    frame = os.urandom(memory.LEAST_BYTES) + more
    frames = [frame, b"small", frame, os.urandom(memory.LEAST_BYTES), frame]
    apart = Apart(server)
    apart.meet(b"one", REACHED)
    for _ in range(2):
        offer = apart.offering(b"one")
        assert offer is not None
        message = payload.refer(payload.encode(frames, "auto"), offer)
        references = payload.references(message)
        assert len(references) == 4
        assert len(set(references)) == 2

        def bring(reference: payload.Frame, _: int) -> payload.Frame:
            return fetched(server, bytes(reference))  # another time, it is not there

        assert payload.decode(message, 2**30, None, bring, alike=True) == frames


def test_a_frame_is_brought_and_taken_once(server: BulkServer) -> None:
    reference = bring(server, FRAME)
    assert server.depot.take(reference, len(FRAME)) == FRAME
    with pytest.raises(OSError, match="not brought"):
        server.depot.take(reference, len(FRAME))


@pytest.fixture
def keeping() -> Iterator[None]:
    """Memory is kept meanwhile, as in a runner and a driver."""
    refill.begin(FRAME)
    yield
    refill.end(FRAME)


@pytest.mark.usefixtures("keeping")
def test_frames_come_into_memory_that_nobody_has_any_more(server: BulkServer) -> None:
    """At either end: the same place again, but never under somebody's eyes."""
    (address,) = server.addresses
    held: list[tuple[bytes, memoryview]] = []
    places: set[int] = set()
    for number in range(12):
        frame = os.urandom(len(FRAME))
        reference = server.depot.offer(b"one", frame)
        ticket, key, size = REFERENCE.unpack(reference)
        descriptor = client.download(address, SECRET, ticket, key, size)
        places.add(os.fstat(descriptor).st_ino)
        fetched = memory.take(descriptor)
        brought = server.depot.take(bring(server, frame), len(frame))
        places.add(id(brought.obj))
        assert fetched == frame
        assert brought == frame
        if number % 6 == 0:  # of the first, a part is enough
            held += [(frame[3:9], fetched[3:9]), (frame[3:9], brought[3:9])]
        del fetched, brought
    assert all(part == content for content, part in held)
    assert len(places) == 2 * 3, "two stay with who has them, and one is used again"


def test_what_is_withdrawn_cannot_be_fetched(server: BulkServer) -> None:
    gone, stays = server.depot.offer(b"one", FRAME), server.depot.offer(b"two", FRAME)
    server.depot.withdraw(b"one")
    with pytest.raises(ConnectionError):
        fetched(server, gone)
    assert fetched(server, stays) == FRAME


def test_there_is_room_for_so_much_and_no_more(server: BulkServer) -> None:
    first = bring(server, FRAME)
    bring(server, FRAME)
    with pytest.raises(ConnectionError):
        bring(server, FRAME)
    server.depot.take(first, len(FRAME))
    bring(server, FRAME)
    with pytest.raises(ConnectionError):
        bring(server, FRAME + b"!")


def test_little_frames_use_up_no_descriptors(server: BulkServer) -> None:
    for _ in range(MOST_BROUGHT):
        bring(server, b"x")
    with pytest.raises(ConnectionError):
        bring(server, b"x")


def test_a_ticket_is_good_for_one_frame(server: BulkServer) -> None:
    ticket = fresh_ticket()
    bring(server, b"first", ticket)
    with pytest.raises(ConnectionError):
        bring(server, b"other", ticket)
    assert bytes(server.depot.take(reference_to(ticket, 5), 100)) == b"first"


def test_who_has_another_key_reads_and_brings_nothing(server: BulkServer) -> None:
    reference = server.depot.offer(b"one", FRAME)
    ticket, _, size = REFERENCE.unpack(reference)
    with pytest.raises(RemoteProtocolError):
        fetched(server, REFERENCE.pack(ticket, fresh_key(), size))
    ticket, (address,) = fresh_ticket(), server.addresses
    with pytest.raises(ConnectionError):
        client.upload(address, SECRET, ticket, fresh_key(), FRAME, lambda: None)
    with pytest.raises(OSError, match="not brought"):
        server.depot.take(reference_to(ticket, len(FRAME)), len(FRAME))


def test_who_does_not_know_the_secret_is_turned_away(server: BulkServer) -> None:
    (address,) = server.addresses
    reference = server.depot.offer(b"one", FRAME)
    assert client.prove(address, SECRET)
    assert not client.prove(address, b"other")
    with pytest.raises(ConnectionError):
        fetched(server, reference, b"other")
    assert fetched(server, reference) == FRAME
    assert server.strangers == 2


def test_a_driver_that_does_not_know_the_secret_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(bytes(CHALLENGE_BYTES + 32))
                sock.recv(1)

        impostor = threading.Thread(target=answer)
        impostor.start()
        port = listener.getsockname()[1]
        assert not client.prove(f"tcp://127.0.0.1:{port}", SECRET)
        impostor.join()


def test_what_was_said_cannot_be_said_again(server: BulkServer) -> None:
    """Who listened to a runner cannot do what it did: each connection asks anew."""
    place, ticket = split_tcp_address(server.addresses[0]), fresh_ticket()
    with socket.create_connection(place) as sock:
        challenge = sock.recv(CHALLENGE_BYTES, socket.MSG_WAITALL)
        said = Request(Want.UPLOAD, ticket, 100).encode(SECRET, challenge)
        sock.sendall(said)
        assert len(sock.recv(32, socket.MSG_WAITALL)) == 32
    with socket.create_connection(place) as sock:
        sock.recv(CHALLENGE_BYTES, socket.MSG_WAITALL)
        sock.sendall(said)
        assert sock.recv(1) == b""
    assert server.strangers == 1


def test_runners_that_are_held_up_do_not_hold_up_others(server: BulkServer) -> None:
    """Ten have begun to bring a frame and say no more, as when they are suspended."""
    place = split_tcp_address(server.addresses[0])
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            sock = stack.enter_context(socket.create_connection(place))
            challenge = sock.recv(CHALLENGE_BYTES, socket.MSG_WAITALL)
            sock.sendall(
                Request(Want.UPLOAD, fresh_ticket(), 100).encode(SECRET, challenge)
            )
            assert sock.recv(1)
        assert fetched(server, server.depot.offer(b"one", FRAME)) == FRAME


def test_one_after_another_needs_no_thread_for_each(server: BulkServer) -> None:
    """Else a long run ends with as many threads as there may be frames at a time."""
    before = threading.active_count()
    for number in range(30):
        reference = bring(server, b"%d" % number)
        server.depot.take(reference, 100)
    # The next may come while the last one's thread hangs up.
    assert threading.active_count() - before <= 3


def test_strangers_wait_and_runners_are_served(server: BulkServer) -> None:
    """A crowd that says nothing or nonsense costs some connections, never the run."""
    place = split_tcp_address(server.addresses[0])
    with contextlib.ExitStack() as crowd:
        for number in range(300):
            sock = socket.socket()
            crowd.enter_context(sock)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(place)
            if number % 2:
                with contextlib.suppress(OSError):
                    sock.send(b"GET / HTTP/1.1\r\n" + bytes(100))
        eventually(lambda: server.strangers > 20, within_s=30, what="strangers to go")
        reference = server.depot.offer(b"one", FRAME)
    assert eventually(
        lambda: client.prove(server.addresses[0], SECRET), within_s=60, what="a way in"
    )
    assert fetched(server, reference) == FRAME


def test_the_end_of_a_run_ends_what_is_under_way(server: BulkServer) -> None:
    """A runner that reads no more holds up nobody."""
    ticket, _, size = REFERENCE.unpack(server.depot.offer(b"one", FRAME))
    with socket.create_connection(split_tcp_address(server.addresses[0])) as sock:
        challenge = sock.recv(CHALLENGE_BYTES, socket.MSG_WAITALL)
        sock.sendall(Request(Want.DOWNLOAD, ticket, size).encode(SECRET, challenge))
        assert sock.recv(1)
        server.close()
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith("gridmap-bulk")]
