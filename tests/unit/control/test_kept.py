"""Jobs that failed are kept as they were, within bounds, and nobody else's are read."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap import payload
from gridmap.control import kept
from gridmap.control.kept import Around, Keeper
from gridmap.control.register import Register
from gridmap.errors import RunError

FUNCTION = [b"pickled"]


def around(number: int) -> Around:
    return Around(
        number=number, environment={"A": "b"}, directory="/d", path=(), python=(3, 11)
    )


def filled(jobs: int, most: int = 100, size: int = 1) -> Keeper:
    """Return a keeper that was given jobs."""
    keeper = Keeper(most, around)
    for job in range(jobs):
        keeper.put(job, b"digest", FUNCTION, job % 2, bytes((job % 256,)) * size)
    return keeper


def test_a_job_comes_back_as_it_was_kept() -> None:
    """With its function and its surroundings, which are written once."""
    data = filled(20).take()
    assert (data.count(b"pickled"), data.count(b"/d")) == (1, 2)
    found = kept.find(data, 3)
    assert found is not None
    function, surroundings, call = found
    assert (function.frames, surroundings) == (FUNCTION, around(1))
    assert payload.unpack(call.frames)[0].head == b"\x03"
    assert kept.find(data, 20) is None


@pytest.mark.parametrize(
    ("most", "size", "count"), [(5, 1, 5), (100, kept.MOST_BYTES // 4, 3), (0, 1, 0)]
)
def test_what_is_kept_is_bounded(most: int, size: int, count: int) -> None:
    """By number and by bytes; the first are kept."""
    data = filled(8, most, size).take()
    assert [job for job in range(8) if kept.find(data, job)] == [*range(count)]
    assert len(data) <= kept.MOST_BYTES + 4096


@given(cut=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_file_that_is_cut_or_damaged_is_no_trap(cut: int, bit: int) -> None:
    """What is whole is found; anything else is nothing, or one kind of error."""
    data = filled(4).take()
    assert kept.find(data + data[: cut % 50], 3) is not None
    damaged = bytearray(data)
    damaged[cut % len(data)] ^= 1 << bit
    with contextlib.suppress(RunError):
        kept.find(bytes(damaged), 3)


def test_a_job_whose_function_is_lost_is_told() -> None:
    """As damage, not as a bug."""
    data = (
        filled(1)
        .take()
        .replace(b"\xa8function\xc4\x06digest", b"\xa8function\xc4\x06DIGEST")
    )
    with pytest.raises(RunError, match="damaged"):
        kept.find(data, 0)


def test_the_file_is_the_users_alone_and_goes_with_the_record(tmp_path: Path) -> None:
    """A link is neither written to nor read."""
    records = Register(tmp_path / "records")
    records.write("a-b-c", b"")
    records.append("a-b-c", b"one")
    records.append("a-b-c", b"two")
    place = records.path / "a-b-c.jobs"
    assert place.stat().st_mode & 0o777 == 0o600
    assert records.jobs("a-b-c") == b"onetwo"
    assert records.jobs("x") == b""
    (records.path / "l.jobs").symlink_to(place)
    for reach in (lambda: records.jobs("l"), lambda: records.append("l", b"")):
        with pytest.raises(OSError, match="symbolic"):
            reach()
    records.prune(0)
    assert [path.name for path in records.path.iterdir()] == ["l.jobs"]
