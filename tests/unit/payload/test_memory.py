"""Memory that processes of one host hand to each other."""

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

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
