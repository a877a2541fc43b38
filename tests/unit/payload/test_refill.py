"""Memory that is filled again, and never under somebody's eyes."""

import contextlib
import ctypes
import gc
import mmap
import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.unit.payload.frames import LARGE, frames_here

from gridmap.payload import held, memory, refill

OTHER = os.urandom(len(LARGE))

FILLINGS = 1_000

Having: TypeAlias = Callable[[int, bytes], AbstractContextManager[None]]
"""What has memory that is known by a descriptor and by a reference."""


@pytest.fixture(autouse=True, params=[True, False], ids=["mapped", "not mapped"])
def keeping(request: pytest.FixtureRequest) -> Iterator[None]:
    """Memory is kept meanwhile, and none of it afterwards."""
    before = frames_here()
    refill.begin(LARGE, mapped=request.param)
    yield
    refill.end(LARGE)
    assert frames_here() == before


def inode(sealed: memory.Sealed) -> int:
    """Return which memory it is."""
    return os.fstat(sealed.descriptor).st_ino


def made(content: bytes = LARGE) -> int:
    """Fill memory and let go of it; return which it was."""
    return inode(memory.make(content))


def test_what_nobody_has_is_filled_again() -> None:
    """The same memory, with the new content, as often as there is one."""
    first = made()
    for content in (OTHER, LARGE, OTHER):
        source = memory.make(content)
        assert inode(source) == first
        assert memory.take(os.dup(source.descriptor)) == content
        del source


def test_only_memory_of_the_same_size_is() -> None:
    """It can neither grow nor shrink, so that nobody who has it is killed for it."""
    first = made()
    assert made(LARGE + b"more") != first
    assert made() == first


@contextlib.contextmanager
def by_descriptor(descriptor: int, _: bytes) -> Iterator[None]:
    """Have a copy of the descriptor, as a relative has that was sent it."""
    copy = os.dup(descriptor)
    yield
    os.close(copy)


@contextlib.contextmanager
def by_reference(_: int, reference: bytes) -> Iterator[None]:
    """Have opened it as a stranger does."""
    fetched = memory.fetch(os.getpid(), reference, len(LARGE))
    yield
    os.close(fetched)


@contextlib.contextmanager
def by_a_frame(descriptor: int, _: bytes) -> Iterator[None]:
    """Have it mapped, as the user who looks at a part of an array."""
    part = memory.take(os.dup(descriptor))[-5:]
    yield
    assert part == LARGE[-5:]


@contextlib.contextmanager
def by_what_is_held(descriptor: int, _: bytes) -> Iterator[None]:
    """Hold it to pass it on, as a runner does."""
    frame = held.relay(os.dup(descriptor))
    yield
    assert frame == LARGE


@contextlib.contextmanager
def in_a_child(_: int, __: bytes) -> Iterator[None]:
    """Have a child that was forked while it was here, and does nothing with it."""
    waits, ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        os.read(waits, 1)
        os._exit(0)
    yield
    os.close(ends)
    os.waitpid(child, 0)
    os.close(waits)


@pytest.mark.parametrize(
    "having", [by_descriptor, by_reference, by_a_frame, by_what_is_held, in_a_child]
)
def test_what_somebody_has_is_left_alone(having: Having) -> None:
    """Whoever it is and however they have it, until they let go of it."""
    source = memory.make(LARGE)
    first = inode(source)
    with having(source.descriptor, source.reference):
        del source
        assert made(OTHER) != first
    assert made(OTHER) == first


def test_an_old_reference_does_not_lead_to_what_is_there_now() -> None:
    """The descriptor's number and the memory are the same, and what is in it is not."""
    source = memory.make(LARGE)
    old, where = source.reference, (source.descriptor, inode(source))
    del source
    source = memory.make(OTHER)
    assert (source.descriptor, inode(source)) == where
    with pytest.raises(OSError, match="gone"):
        memory.fetch(os.getpid(), old, len(LARGE))
    assert memory.read(os.getpid(), source.reference, len(LARGE)) == OTHER


def test_what_is_passed_on_cannot_be_written_to() -> None:
    """Only its maker can, by a descriptor that nobody else has."""
    source = memory.make(LARGE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(source.descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(source.descriptor, 0, mmap.MAP_SHARED, mmap.PROT_WRITE)
    with pytest.raises(OSError, match="Invalid argument"):
        os.ftruncate(source.descriptor, 0)


def test_a_child_fills_nothing_that_its_parent_may_fill() -> None:
    """Both have the same memory to keep, and neither knows what the other does."""
    sources = [memory.make(LARGE)]
    first = inode(sources[0])
    waits, ends = os.pipe()

    def filled_again() -> bool:
        os.close(ends)
        os.read(waits, 1)  # until its parent has let go of it
        refill.begin(OTHER)
        sources.clear()
        return made(OTHER) == first

    def let_go() -> None:
        sources.clear()
        os.close(ends)

    assert os.waitstatus_to_exitcode(_forked(filled_again, let_go)) == 0
    os.close(waits)
    assert made(OTHER) == first


def _forked(
    check: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None
) -> int:
    """Return what a child's status says of a check in it."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(int(check()))
        finally:
            os._exit(2)
    meanwhile()
    return os.waitpid(child, 0)[1]


def test_a_child_keeps_none_of_it() -> None:
    """It may live for long, and what its parent gives back would stay."""
    made()
    status = os.waitstatus_to_exitcode(_forked(refill.kept))
    assert status == 0
    assert refill.kept()


def test_users_who_are_not_root_have_it_too() -> None:
    """They may not open for writing what nobody may write to, their own neither."""

    def as_a_user() -> bool:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
            # Else its /proc is root's: see PR_SET_DUMPABLE in prctl(2).
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
        refill.begin(OTHER)
        source = memory.make(LARGE)
        first = inode(source)
        with contextlib.suppress(PermissionError):
            os.open(f"/proc/self/fd/{source.descriptor}", os.O_RDWR)
            return False
        del source
        return made(OTHER) == first

    assert os.waitstatus_to_exitcode(_forked(as_a_user)) == 1


def test_a_file_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """Programs close descriptors that they do not know, and get the numbers."""
    before = descriptors()
    source = memory.make(LARGE)
    (ours,) = descriptors() - before - {source.descriptor}
    del source
    path = tmp_path / "theirs"
    path.write_bytes(OTHER)
    theirs = os.open(path, os.O_RDWR)
    os.dup2(theirs, ours)
    os.close(theirs)
    assert memory.take(os.dup(memory.make(LARGE).descriptor)) == LARGE
    refill.give_back()
    gc.collect()
    assert path.read_bytes() == OTHER
    os.close(ours)  # which is open still


def descriptors() -> set[int]:
    """Return which descriptors of this process are memory of large frames."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the directory's own
            if "memfd:gridmap-frame" in str(link.readlink()):
                found.add(int(link.name))
    return found


def test_of_limited_addresses_it_takes_none() -> None:
    """They are the user's: his arrays would find no place, though there is memory."""

    def with_a_limit() -> bool:
        refill.begin(LARGE, mapped=True)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * mmap.PAGESIZE + 64 * len(LARGE)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        source = memory.make(LARGE)
        first = inode(source)
        del source
        return made(OTHER) == first and not mappings()

    assert mappings() == 0
    assert os.waitstatus_to_exitcode(_forked(with_a_limit)) == 1


def test_only_who_may_has_it_mapped(request: pytest.FixtureRequest) -> None:
    """Else it would count as memory of the jobs of a worker."""
    for content in (LARGE, OTHER):
        made(content)
    assert mappings() == ("not mapped" not in request.node.name)


def mappings() -> int:
    """Return how many mappings there are by which such memory can be written to."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sum("memfd:gridmap-frame" in line and " rw-s " in line for line in lines)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept first goes first, and what is too large is not kept at all."""
    refill.begin(LARGE, most_bytes=2 * len(LARGE))
    sources = [memory.make(LARGE) for _ in range(3)]
    first, *kept = map(inode, sources)
    while sources:
        del sources[0]
    again = [memory.make(OTHER) for _ in range(3)]
    assert [inode(one) for one in again[:2]] == kept
    assert inode(again[2]) != first
    del again
    monkeypatch.setattr(refill, "MOST_KEPT", 1)
    pair = [memory.make(LARGE) for _ in range(2)]
    kept = [inode(pair[1])]
    while pair:
        del pair[0]
    pair = [memory.make(OTHER) for _ in range(2)]
    assert inode(pair[0]) == kept[0]
    assert inode(pair[1]) not in kept
    large = memory.make(LARGE + LARGE)
    with pytest.raises(PermissionError):
        os.pwrite(large.descriptor, b"x", 0)


def test_it_is_given_back_where_nobody_comes_for_it() -> None:
    """A run that has no large data any more does not keep memory for them."""
    before = frames_here()
    made()
    refill.tidy(1.0)
    refill.tidy(refill.KEPT_S)
    assert frames_here() > before
    made(OTHER)
    refill.tidy(1.0 + refill.KEPT_S)
    assert refill.kept()
    refill.tidy(1.0 + 2 * refill.KEPT_S)
    assert not refill.kept()
    assert frames_here() == before


def test_none_is_kept_but_for_a_run() -> None:
    """Nobody else would give it back; and what a run leaves behind goes with it."""
    before = frames_here()
    source, late = memory.make(LARGE), memory.make(OTHER)
    del source
    refill.end(LARGE)
    try:
        del late
        assert frames_here() == before
        made()
        assert frames_here() == before
    finally:
        refill.begin(LARGE)


def test_nobody_ever_sees_another_filling() -> None:
    """Strangers who have found it open it while it is filled, again and again.

    The kernel says so by a signal where we ask at that moment who has it.
    """
    struck: list[int] = []
    before = signal.signal(signal.SIGIO, lambda number, _: struck.append(number))
    fillings: dict[int, bytes] = {}
    over, seen, faults = threading.Event(), Counter[int](), list[int]()
    source = memory.make(bytes(len(LARGE)))
    place = os.open(f"/proc/self/fd/{source.descriptor}", os.O_PATH)
    first = inode(source)
    del source

    def look() -> None:
        # It has to be free at times, and nobody knows when.
        while not over.wait(random.random() * 0.001):  # noqa: S311 - hides nothing
            descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY)
            number = os.fstat(descriptor).st_mtime_ns
            if number in fillings:  # else it is being filled, and is not taken
                time.sleep(0)
                seen[number] += 1
                if os.pread(descriptor, len(LARGE), 0) != fillings[number]:
                    faults.append(number)
            os.close(descriptor)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        while len(fillings) < FILLINGS and not faults:
            content = bytes([len(fillings) % 256]) * len(LARGE)
            source = memory.make(content)
            if inode(source) == first:
                fillings[os.fstat(source.descriptor).st_mtime_ns] = content
            del source
    finally:
        over.set()
        watcher.join()
        os.close(place)
        signal.signal(signal.SIGIO, before)
    assert not faults
    assert seen
    assert not struck, "its default would have ended this process"
