"""A runner with the run's own key that lies about memory, and gets nothing by it.

What it refers to is looked at before it is opened, and is sealed memory of the user's
or refused; a run of an honest runner beside it comes to its right end.
"""

import fcntl
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.security.besieged import Siege
from tests.security.rogue import Rogue, rogue

from gridmap import payload
from gridmap.kernel import ADD_SEALS
from gridmap.payload import memory
from gridmap.payload.neighbour import Evidence, look
from gridmap.protocol import codec
from gridmap.protocol import messages as m

NONCE: Final = "0123456789abcdef"
SIZE: Final = memory.LEAST_BYTES
CONTENT: Final = os.urandom(SIZE)


@pytest.fixture
def own() -> Evidence:
    """Return memory that shows who the rogue is."""
    return Evidence.of(NONCE.encode())


def shown(run: Siege) -> bytes:
    """Return what the driver shows to those who can open its memory."""
    return look(run.file.driver.pid, bytes.fromhex(run.file.memory))


def join(run: Siege, liar: Rogue, own: Evidence, **changes: Any) -> m.Welcome:
    """Say hello as a neighbour, with changes."""
    shows = {"nonce": NONCE, "memory": own.reference, "seen": shown(run)}
    liar.greet(run.handle(2), **shows | changes)
    return liar.await_one(m.Welcome)


def refer(liar: Rogue, work: m.Work, reference: bytes) -> None:
    """Report a value of which all that is large is referred to."""
    message = m.Report(number=1, grant=work.grant, first=work.first, count=1)
    table, joined, _ = payload.pack([payload.Parcel(b"", (CONTENT,))])
    methods = bytes([0, 0, payload.REFERRED])
    liar.raw(codec.encode(message), methods, bytes(table), bytes(joined), reference)


def opened(path: Path, flags: int) -> int:
    """Return a descriptor of a file with content."""
    path.write_bytes(CONTENT)
    return os.open(path, flags)


def fifo(place: Path) -> int:
    """Return an end of a pipe with a name, which would make who opens it wait."""
    os.mkfifo(place / "fifo")
    return os.open(place / "fifo", os.O_RDONLY | os.O_NONBLOCK)


def loose(seals: int) -> int:
    """Return memory with some of its seals only."""
    descriptor = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.write(descriptor, CONTENT)
    if seals:
        fcntl.fcntl(descriptor, ADD_SEALS, seals)
    return descriptor


def reference_to(descriptor: int, size: int) -> bytes:
    """Return what leads to a descriptor of this process."""
    status = os.fstat(descriptor)
    numbers = (descriptor, status.st_ino, size, status.st_mtime_ns)
    return memory.REFERENCE.pack(*numbers)


def in_shared_memory(_: Path) -> int:
    """Return a file of the file system that is most like anonymous memory."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(CONTENT)
        file.flush()
        return os.open(file.name, os.O_RDWR)


LIES: Final[dict[str, Callable[[Path], int]]] = {
    "memory without seals": lambda _: loose(0),
    "memory that could still shrink": lambda _: loose(0x1 | 0x4 | 0x8),
    "memory that could still change": lambda _: loose(0x1 | 0x2 | 0x4),
    "a file": lambda place: opened(place / "file", os.O_RDONLY),
    "a file in shared memory": in_shared_memory,
    "a directory": lambda place: os.open(place, os.O_RDONLY),
    "a pipe": lambda _: os.pipe()[0],
    "a pipe with a name": fifo,
    "a device": lambda _: os.open("/dev/zero", os.O_RDONLY),
    "a socket": lambda _: socket.socket(socket.AF_UNIX).detach(),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_only_sealed_memory_can_be_referred_to(
    run: Siege, own: Evidence, tmp_path: Path
) -> None:
    """Whatever else it is, is refused and not opened, and nobody waits for it."""
    with rogue(run) as liar:
        assert join(run, liar, own).memory
        work = liar.await_one(m.Work)
    for what, lie in LIES.items():
        descriptor = lie(tmp_path)
        reference = reference_to(descriptor, SIZE)
        with rogue(run) as liar:
            join(run, liar, own, holds=(work.grant,))
            refer(liar, work, reference)
            answer = liar.await_any(m.Refuse, m.Plain)
            assert isinstance(answer, m.Refuse) or what == "a socket", what
        os.close(descriptor)
    run.finish()


def test_memory_is_what_it_was_said_to_be(run: Siege, own: Evidence) -> None:
    """Sizes are compared, and bounded before anything is opened."""
    sealed = memory.make(CONTENT)
    with rogue(run) as liar:
        join(run, liar, own)
        work = liar.await_one(m.Work)
    for size in (0, SIZE - 1, SIZE + 1, 2**40, 2**64 - 1):
        with rogue(run) as liar:
            join(run, liar, own, holds=(work.grant,))
            refer(liar, work, reference_to(sealed.descriptor, size))
            assert "protocol error" in liar.await_one(m.Refuse).text
    for reference in (b"", b"short", bytes(1000)):
        with rogue(run) as liar:
            join(run, liar, own, holds=(work.grant,))
            refer(liar, work, reference)
            assert "protocol error" in liar.await_one(m.Refuse).text
    run.finish()


def test_what_is_gone_is_asked_for_in_full(run: Siege, own: Evidence) -> None:
    """A descriptor that is closed, or another's by now, ends no session."""
    with rogue(run) as liar:
        join(run, liar, own)
        work = liar.await_one(m.Work)
        sealed = memory.make(CONTENT)
        refer(liar, work, memory.REFERENCE.pack(sealed.descriptor, 1, SIZE, 1))
        liar.await_one(m.Plain)
        refer(liar, work, sealed.reference)  # it is no neighbour any more
        liar.await_one(m.Plain)
        message = m.Returned(number=2, grant=work.grant, first=work.first, count=1)
        liar.say(message)
        assert liar.await_one(m.Ack).numbers == (2,)
    run.finish()


def test_who_shows_nothing_is_no_neighbour(run: Siege, own: Evidence) -> None:
    """Nor who shows another's memory, a wrong text, or something that is no memory."""
    reader, writer = os.pipe()
    pipe = reference_to(reader, 16)
    other = Evidence.of(b"another's nonce.")
    shows: dict[str, dict[str, Any]] = {
        "nothing": {"memory": b"", "seen": b""},
        "no memory of its own": {"memory": b""},
        "nothing of the driver's": {"seen": b""},
        "a guess": {"seen": os.urandom(16)},
        "a beginning": {"seen": shown(run)[:15]},
        "another's text": {"memory": other.reference},
        "the driver's own memory": {"memory": bytes.fromhex(run.file.memory)},
        "a pipe": {"memory": pipe},
        "noise": {"memory": os.urandom(memory.REFERENCE.size)},
        "another process": {"pid": os.getppid()},
        "no process": {"pid": 2**53},
    }
    for what, changes in shows.items():
        with rogue(run) as liar:
            assert not join(run, liar, own, **changes).memory, what
            work = liar.await_one(m.Work)
            refer(liar, work, memory.make(CONTENT).reference)
            liar.await_one(m.Plain)
    os.close(reader)
    os.close(writer)
    run.finish()


def test_the_connection_file_does_not_tell_what_the_memory_says(run: Siege) -> None:
    """Only who can open the driver's memory can say it."""
    text = (run.directory / "connection.json").read_bytes()
    assert len(shown(run)) == 16
    assert shown(run) not in text
    assert shown(run).hex().encode() not in text


def test_nobody_waits_for_a_pipe() -> None:
    """What a reference leads to is looked at without opening it."""
    reader, writer = os.pipe()
    reference = reference_to(writer, 1)
    found: list[bytes] = []
    thread = threading.Thread(
        target=lambda: found.append(look(os.getpid(), reference)), daemon=True
    )
    thread.start()
    thread.join(10)
    assert found == [b""]
    os.close(reader)
    os.close(writer)
