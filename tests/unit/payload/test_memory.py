"""Memory that processes of one host hand to each other."""

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.payload import memory

LARGE = os.urandom(memory.LEAST_BYTES)


def held() -> int:
    """Return how many descriptors and mappings of such memory this process has."""
    gc.collect()
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(
            FileNotFoundError
        ):  # the directory's own, closed since
            links.append(str(entry.readlink()))
    maps = Path("/proc/self/maps").read_text().splitlines()
    return sum("memfd:gridmap-frame" in line for line in links + maps)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever happens, the kernel has it back when nobody holds it."""
    before = held()
    yield
    assert held() == before


def sealed(frame: bytes = LARGE) -> memory.Sealed:
    """Return a frame's memory."""
    made = memory.seal(frame)
    assert made is not None
    return made


def test_what_is_taken_is_what_was_sealed_and_is_the_takers_own() -> None:
    """One who writes to it changes nobody else's."""
    source = sealed()
    first, second = (memory.take(os.dup(source.descriptor)) for _ in range(2))
    first[:4] = b"mine"
    assert second == LARGE
    assert bytes(first[:4]) == b"mine"
    assert memory.take(os.dup(source.descriptor)) == LARGE


def inode(frame: payload.Frame) -> int:
    """Return which memory a held frame shows."""
    sealed = memory.sealed_in(frame)
    assert sealed is not None
    return os.fstat(sealed.descriptor).st_ino


def test_what_is_held_is_passed_on_without_a_copy() -> None:
    """It is one memory for whoever has it, and stays while anybody has."""
    array = bytearray(LARGE)
    frame = memory.hold(array)
    array[0] ^= 1
    assert frame == LARGE
    assert memory.hold(frame) is frame
    source = memory.seal(frame)
    assert source is memory.sealed_in(frame)
    assert source is not None
    passed = memory.relay(memory.fetch(os.getpid(), source.reference, len(LARGE)))
    del source
    assert inode(passed) == inode(frame)
    del frame
    assert passed == LARGE


def test_a_part_of_what_is_held_is_not_taken_for_all_of_it() -> None:
    """Only the whole is referred to."""
    frame = memory.hold(LARGE + b"more")
    assert memory.sealed_in(memoryview(frame)[4:]) is None
    assert memory.sealed_in(memoryview(frame)[:]) is not None
    assert memory.sealed_in(LARGE) is None


def test_what_is_held_is_bounded_in_number_and_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes beyond the bounds stays what it was; what is let go makes room."""
    monkeypatch.setattr(memory, "MOST_HELD", 2)
    kept = [memory.hold(LARGE) for _ in range(2)]
    assert memory.hold(LARGE) is LARGE
    source = sealed()
    assert memory.sealed_in(memory.relay(os.dup(source.descriptor))) is None
    kept.pop()
    kept.append(memory.hold(LARGE))
    assert kept[-1] is not LARGE
    monkeypatch.setattr(memory, "MOST_HELD", 64)
    monkeypatch.setattr(memory, "MOST_HELD_BYTES", 3 * len(LARGE))
    kept.append(memory.hold(LARGE))
    assert kept[-1] is not LARGE
    assert memory.hold(LARGE) is LARGE


def test_what_is_kept_for_long_leaves_room_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Functions that hold large data stay for a run; its inputs come and go."""
    monkeypatch.setattr(memory, "MOST_HELD", 4)
    kept = [memory.hold(LARGE, lasting=True) for _ in range(2)]
    assert memory.hold(LARGE, lasting=True) is LARGE
    kept.append(memory.hold(LARGE))
    assert kept[-1] is not LARGE
    monkeypatch.setattr(memory, "MOST_HELD", 64)
    monkeypatch.setattr(memory, "MOST_HELD_BYTES", 4 * len(LARGE))
    assert memory.hold(LARGE, lasting=True) is LARGE
    kept.append(memory.hold(LARGE))
    assert kept[-1] is not LARGE


def test_results_and_inputs_have_bounds_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who keeps many results can still hand in large inputs."""
    monkeypatch.setattr(memory, "MOST_MAPPINGS", 0)
    assert memory.hold(LARGE) is not LARGE
    monkeypatch.setattr(memory, "MOST_MAPPINGS", 1)
    monkeypatch.setattr(memory, "MOST_HELD", 0)
    source, before = sealed(), held()
    kept = memory.take(os.dup(source.descriptor))
    assert held() > before
    del kept


def test_a_reference_to_what_is_gone_is_told_from_a_lie() -> None:
    """Its descriptor may be closed, or be another's by now."""
    source = sealed()
    reference = source.reference
    other = sealed()
    assert other.descriptor != source.descriptor
    swapped = memory.REFERENCE.pack(
        other.descriptor, os.fstat(source.descriptor).st_ino, source.size
    )
    with pytest.raises(OSError, match="gone"):
        memory.fetch(os.getpid(), swapped, 2**30)
    del source
    with pytest.raises(OSError, match="No such file"):
        memory.fetch(os.getpid(), reference, 2**30)


def test_frames_are_referred_to_for_neighbours_alone() -> None:
    """Others get them whole, and nobody follows a reference that was not agreed."""
    frames = [b"small", memory.hold(LARGE)]
    methods, _, reference = payload.encode(frames, "auto", neighbour=True)
    assert methods == bytes([0, payload.REFERRED])
    assert len(reference) == memory.REFERENCE.size
    assert payload.encode(frames, "none")[2] is frames[1]
    with pytest.raises(RemoteProtocolError, match="number 3"):
        payload.decode([methods, b"small", reference], 2**30)


def test_what_is_referred_to_counts_against_the_limit() -> None:
    """As if it were in the message."""

    def fetch(reference: payload.Frame, limit_bytes: int) -> payload.Frame:
        return memory.take(memory.fetch(os.getpid(), reference, limit_bytes))

    held = memory.hold(LARGE)
    frames = payload.encode([held, held], "none", neighbour=True)
    assert payload.decode(frames, 2 * len(LARGE), fetch) == [LARGE, LARGE]
    with pytest.raises(RemoteProtocolError, match="allowed"):
        payload.decode(frames, 2 * len(LARGE) - 1, fetch)


def test_short_frames_are_not_worth_it() -> None:
    """They travel as they are."""
    assert memory.seal(LARGE[1:]) is None


def test_what_is_sealed_cannot_be_changed_or_cut() -> None:
    """Else whoever reads it could be killed by SIGBUS."""
    source = sealed()
    with pytest.raises(PermissionError):
        os.pwrite(source.descriptor, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(source.descriptor, 0)


def test_memory_that_could_change_is_refused(tmp_path: Path) -> None:
    """Only what is sealed is taken: no open memory, no file, no pipe."""
    loose = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
    os.write(loose, LARGE)
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    reader, writer = os.pipe()
    os.close(writer)
    for descriptor in (loose, os.open(path, os.O_RDONLY), reader):
        with pytest.raises(RemoteProtocolError, match="memory"):
            memory.take(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_many_that_are_kept_cost_no_descriptors() -> None:
    """What comes beyond the bound is read, and is the same."""
    source = sealed()
    kept = [memory.take(os.dup(source.descriptor)) for _ in range(memory.MOST_MAPPINGS)]
    before = held()
    more = [memory.take(os.dup(source.descriptor)) for _ in range(5)]
    assert held() == before
    assert all(frame == LARGE for frame in more)
    more[0][0] = 0
    del kept


def test_without_descriptors_or_room_a_frame_travels_as_it_is() -> None:
    """A limit on open files, or on their size, costs speed and nothing else."""
    for limit, bound in (
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_FSIZE, memory.LEAST_BYTES // 2),
    ):
        soft, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (bound, hard))
        try:
            assert memory.seal(LARGE) is None
        finally:
            resource.setrlimit(limit, (soft, hard))
