"""Memory that processes of one host hand to each other."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.payload.frames import LARGE, frames_here

from gridmap.errors import RemoteProtocolError
from gridmap.payload import memory


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever happens, the kernel has it back when nobody holds it."""
    before = frames_here()
    yield
    assert frames_here() == before


def test_what_is_taken_is_what_was_sealed_and_is_the_takers_own() -> None:
    """One who writes to it changes nobody else's."""
    source = memory.make(LARGE)
    first, second = (memory.take(os.dup(source.descriptor)) for _ in range(2))
    first[:4] = b"mine"
    assert second == LARGE
    assert bytes(first[:4]) == b"mine"
    assert memory.take(os.dup(source.descriptor)) == LARGE


def test_a_reference_to_what_is_gone_is_told_from_a_lie() -> None:
    """Its descriptor may be closed, or be another's by now."""
    source = memory.make(LARGE)
    reference = source.reference
    other = memory.make(LARGE)
    assert other.descriptor != source.descriptor
    swapped = memory.REFERENCE.pack(
        other.descriptor, os.fstat(source.descriptor).st_ino, source.size, 0
    )
    with pytest.raises(OSError, match="gone"):
        memory.fetch(os.getpid(), swapped, 2**30)
    del source
    with pytest.raises(OSError, match="No such file"):
        memory.fetch(os.getpid(), reference, 2**30)


def test_what_is_sealed_cannot_be_changed_or_cut() -> None:
    """Else whoever reads it could be killed by SIGBUS."""
    source = memory.make(LARGE)
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
    source = memory.make(LARGE)
    kept = [memory.take(os.dup(source.descriptor)) for _ in range(memory.MOST_MAPPINGS)]
    before = frames_here()
    more = [memory.take(os.dup(source.descriptor)) for _ in range(5)]
    assert frames_here() == before
    assert all(frame == LARGE for frame in more)
    more[0][0] = 0
    del kept
