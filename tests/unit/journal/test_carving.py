"""Rows are found in any page that holds them, and nothing is found in rubbish."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.journal.journals import write

from gridmap.journal.carving import carve, committed_frames
from gridmap.journal.database import PAGE_BYTES
from gridmap.journal.record import Item, decode, encode

ITEMS = [
    *[Item(b"%d" % n, (bytes(1000),)) for n in range(1, 101)],
    Item(b"long", (bytes(10 * PAGE_BYTES),)),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The pages of a journal."""
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    write(path, ITEMS)
    data = path.read_bytes()
    return [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]


def found(pages: list[bytes | None], wal: bytes = b"") -> set[int]:
    """Return the numbers of the rows that prove themselves."""

    def read(number: int) -> bytes | None:
        return pages[number - 1] if 0 < number <= len(pages) else None

    rows = carve(read, len(pages), wal)
    return {number for number, row in rows if decode(number, row) is not None}


def test_a_page_that_cannot_be_read_takes_its_own_rows_only(pages: list[bytes]) -> None:
    """A disk with a bad sector; each row is in one page, or needs the pages it fills."""
    every = set(range(1, len(ITEMS) + 1))
    assert found([*pages]) == every
    holes = [found([*pages[:n], None, *pages[n + 1 :]]) for n in range(len(pages))]
    lost = [every - kept for kept in holes]
    assert [101] in [sorted(some) for some in lost]
    assert max(map(len, lost)) <= PAGE_BYTES // 1000
    assert sum(map(len, lost)) == 100 + 11  # its leaf, and ten pages it overflows into


@settings(max_examples=200, deadline=None)
@given(
    noise=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=60)), max_size=20),
    wal=st.binary(max_size=200),
    which=st.integers(0, 20),
)
def test_no_bytes_are_too_much(
    pages: list[bytes], noise: list[tuple[int, bytes]], wal: bytes, which: int
) -> None:
    """Whatever stands in a page or a log, nothing is raised and nothing made up."""
    page = bytearray(pages[which % len(pages)])
    for start, some in noise:
        page[start : start + len(some)] = some
    del page[PAGE_BYTES:]
    log = wal + bytes(page) * 2
    committed_frames(log)
    assert found([bytes(page)], log) <= set(range(1, len(ITEMS) + 1))


@given(number=st.integers(-(2**70), 2**70), row=st.binary(max_size=100))
@example(number=1, row=encode(1, Item(b"")))
def test_only_what_was_written_there_is_believed(number: int, row: bytes) -> None:
    """Neither other bytes, nor the row of another number, nor a part of one."""
    assert (decode(number, row) is None) == (row != encode(1, Item(b"")) or number != 1)
    whole = encode(7, Item(row, (row,)))
    assert decode(7, whole) is not None
    assert decode(8, whole) is None
    assert decode(7, whole[:-1]) is None
    assert decode(7, whole + b"\0") is None
