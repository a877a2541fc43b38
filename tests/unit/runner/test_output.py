"""What jobs print, told apart by marks that nobody sees."""

import os
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.runner.output import Output, mark, widen


@pytest.fixture(autouse=True, scope="module")
def log() -> Iterator[None]:
    """The runner's own output goes nowhere."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    yield
    os.dup2(kept, 1)


PRINTED = st.binary(max_size=20).map(lambda data: data.replace(b"\x1b", b"e"))
SEVERAL = st.lists(st.tuples(st.integers(0, 10**12), PRINTED), max_size=6)


def joined(pieces: list[tuple[int | None, bytes]]) -> list[tuple[int | None, bytes]]:
    """Return the same with neighbours of one job as one piece."""
    runs = groupby((piece for piece in pieces if piece[1]), key=itemgetter(0))
    return [(job, b"".join(data for _, data in run)) for job, run in runs]


@given(SEVERAL, st.data())
def test_marks_are_found_wherever_the_pipe_cuts(
    jobs: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """Each job's output is its own, and no mark is left in the log."""
    stream = b"".join(mark(job) + printed for job, printed in jobs)
    output = Output()
    output.watch(None)
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        output.take(stream[:cut])
        stream = stream[cut:]
    expected: list[tuple[int | None, bytes]] = [*jobs]
    assert joined(output.pieces()) == joined(expected)
    everything = b"".join(printed for _, printed in jobs)
    assert output.tail() == everything.decode(errors="replace")


def test_a_users_own_escapes_are_left_alone() -> None:
    """Colours, titles, and what only looks like the beginning of a mark."""
    output = Output()
    output.watch(4)
    text = b"\x1b[31mred\x1b[0m \x1b_gridmap:no\x1b\\ \x1b]0;title\x07 \x1b_gri."
    output.take(text)
    assert output.pieces() == [(4, text)]
    assert output.tail() == text.decode()


def test_nothing_is_kept_where_nobody_watches() -> None:
    """It is copied, and the last of it is known."""
    output = Output()
    output.take(b"as ever")
    assert output.pieces() == []
    assert output.tail() == "as ever"


def test_a_pipe_is_read_a_few_times_a_second() -> None:
    """A line now and then is left lying a moment: who prints many wakes nobody."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    room, output = widen(reading), Output()
    assert output.pause(50.0) == 0.0
    os.write(writing, b"a line\n")
    output.drain(reading, room, 50.0)
    assert output.tail() == "a line\n"
    assert 0.05 <= output.pause(50.0) <= 0.2
    assert output.pause(50.2) == 0.0
    output.drain(reading, room, 50.2)
    assert output.pause(50.2) == 0.0, "there was nothing to be read"
    for end in (reading, writing):
        os.close(end)


def test_a_pipe_that_fills_is_read_before_it_is_full() -> None:
    """Who prints much has not to wait for its runner."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    room, output, now = widen(reading), Output(), 50.0
    for _ in range(5):
        now += max(output.pause(now), 0.001)
        os.write(writing, b"x" * (room // 2))
        output.drain(reading, room, now)
        assert output.pause(now) <= 0.05
    assert output.pause(now) <= 0.01
    for end in (reading, writing):
        os.close(end)
