"""What worker and runner share: nothing finished is lost, late, or counted twice."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.protocol.messages import Failure, Kind
from gridmap.runner.outbox import LARGEST, LONG_S, Collector, Gathered, Outbox


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    """Shared memory as the worker sees it."""
    box = Outbox()
    yield box
    box.close()


def begin(outbox: Outbox, job: int, *, seconds_ago: float = 0.0) -> None:
    outbox.begin(job, time.monotonic() - seconds_ago)  # the shell's clock, set back


@pytest.mark.parametrize("since", [float("nan"), float("inf"), 1e12])
def test_no_job_runs_for_less_than_no_time(outbox: Outbox, since: float) -> None:
    """Whatever a job before it has done to the worker's clock."""
    outbox.begin(7, since)
    assert outbox.doing() == (7, 0.0)


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 2**40))
def test_what_is_put_is_what_gathers(results: list[bytes], first: int) -> None:
    """In order, with sizes and seconds."""
    outbox = Outbox()
    for job, result in enumerate(results, first):
        assert outbox.put(job, result, 0.5)
    gathered = outbox.gathered()
    if not results:
        assert gathered is None
    else:
        sizes = tuple(map(len, results))
        joined = b"".join(results)
        assert gathered == Gathered(first, sizes, joined, 0.5 * len(results))
    outbox.clear()
    assert outbox.gathered() is None
    outbox.close()


def failure(number: int, text: str = "no") -> Failure:
    return Failure(offset=number, kind=Kind.RAISED, classes=("ValueError",), text=text)


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(0, 19))
def test_exceptions_gather_among_values(fails: list[bool], known: int) -> None:
    """Each with what is told of it, also where the first ones were taken before."""
    outbox = Outbox()
    collector = Collector(outbox)
    for place, fail in enumerate(fails):
        if place == known:
            begin(outbox, 5 + place, seconds_ago=LONG_S)
            taken = collector.early()
            told = taken.failures if taken is not None else ()
            assert told == tuple(failure(n) for n in range(known) if fails[n])
        assert outbox.put(5 + place, b"x", 0.5, failure(0) if fail else None)
    left = collector.left()
    assert left is not None
    start = left.first - 5
    assert left.failures == tuple(
        failure(n - start) for n in range(start, len(fails)) if fails[n]
    )
    outbox.clear()
    assert outbox.put(99, b"x", 0.1)
    assert outbox.gathered() == Gathered(99, (1,), b"x", 0.1)
    outbox.close()


def test_what_is_told_of_exceptions_has_its_bound(outbox: Outbox) -> None:
    """Then they are sent off, as results are; nothing is written where it ends."""
    count = 0
    while outbox.put(count, b"x", 0.0, failure(0, "y" * 250)):
        count += 1
        assert count < 1000
    gathered = outbox.gathered()
    assert gathered is not None
    assert [one.offset for one in gathered.failures] == list(range(count))
    outbox.clear()
    assert outbox.put(count, b"x", 0.0, failure(0, "y" * 250))


def test_only_consecutive_small_results_gather(outbox: Outbox) -> None:
    """Others are sent by themselves."""
    assert not outbox.put(1, b"x" * (LARGEST + 1), 0.1)
    assert outbox.put(1, b"x", 0.1)
    assert not outbox.put(3, b"x", 0.1)
    assert outbox.put(2, b"x", 0.1)


def test_what_waits_behind_a_long_job_is_taken_once(outbox: Outbox) -> None:
    """An hour's job does not hold up the results before it."""
    collector = Collector(outbox)
    outbox.put(4, b"ab", 0.1)
    outbox.put(5, b"c", 0.1)
    assert collector.early() is None  # nothing runs
    begin(outbox, 6)
    assert collector.early() is None  # it has only begun
    begin(outbox, 6, seconds_ago=LONG_S)
    assert collector.early() == Gathered(4, (2, 1), b"abc", 0.2)
    assert collector.early() is None


def test_what_was_taken_is_left_out_when_it_is_sent(outbox: Outbox) -> None:
    """The worker sends all that gathered, and does not know what was taken."""
    collector = Collector(outbox)
    outbox.put(4, b"ab", 0.1)
    begin(outbox, 5, seconds_ago=LONG_S)
    assert collector.early() is not None
    outbox.put(5, b"c", 9.0)
    assert collector.sent(4, 2) == (1, 0.1)
    assert collector.early() is None  # sent, and not cleared yet


def test_what_was_taken_is_known_whatever_is_read_first(outbox: Outbox) -> None:
    """A runner that was kept from reading finds an older batch's record first.

    Else it would take the next record for news, which its first job is not any more,
    and the rest of it would be lost.
    """
    collector = Collector(outbox)
    for first in (4, 6):  # each is taken in part before the record of the last is read
        outbox.put(first, b"ab", 0.1)
        begin(outbox, first + 1, seconds_ago=LONG_S)
        assert collector.early() == Gathered(first, (2,), b"ab", 0.1)
        outbox.put(first + 1, b"c", 9.0)
        outbox.clear()
    assert collector.sent(2, 2) == (0, 0.0)
    assert collector.sent(4, 2) == (1, 0.1)
    assert collector.sent(6, 2) == (1, 0.1)


def test_a_job_that_is_run_again_is_news(outbox: Outbox) -> None:
    """What was taken before it was sent is over then."""
    collector = Collector(outbox)
    outbox.put(4, b"ab", 0.1)
    begin(outbox, 5, seconds_ago=LONG_S)
    assert collector.early() is not None
    assert collector.sent(4, 1) == (1, 0.1)
    outbox.clear()
    outbox.put(4, b"new", 0.1)
    assert collector.sent(4, 1) == (0, 0.0)


def test_what_a_dead_worker_left_comes_after_what_was_taken(outbox: Outbox) -> None:
    """The rest of it, and nothing twice."""
    collector = Collector(outbox)
    outbox.put(4, b"ab", 0.1)
    begin(outbox, 5, seconds_ago=LONG_S)
    assert collector.early() is not None
    outbox.put(5, b"c", 0.5)
    left = collector.left()
    assert left is not None
    assert (left.first, left.sizes, left.joined) == (5, (1,), b"c")
    assert left.seconds == pytest.approx(0.5)
    assert collector.left() is None
