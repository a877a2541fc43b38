"""What a worker's records come to."""

import msgspec
import pytest

from gridmap import payload
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.runner import records, returns
from gridmap.runner.outbox import Gathered
from gridmap.runner.records import Record, RecordType

LIMIT = 1000


def record(*values: bytes, failures: tuple[m.Failure, ...] = ()) -> Record:
    """Return what a worker writes of jobs from 5 on that took a second each."""
    frames = payload.pack(list(values))
    if failures:
        frames = [msgspec.msgpack.encode(failures), *frames]
    return Record(
        RecordType.RESULT,
        tuple(frames),
        job=5,
        count=len(values),
        seconds=float(len(values)),
        kind=records.FAILED if failures else 0,
    )


def test_what_was_told_before_is_not_told_again() -> None:
    """A worker's results gather in memory that the runner reads, too."""
    returned = returns.read(record(b"a", b"b", b"c"), 1, 1.0, LIMIT)
    assert returned is not None
    assert (returned.first, returned.count, returned.seconds) == (6, 2, 2.0)
    assert payload.unpack(returned.frames) == payload.unpack(payload.pack([b"b", b"c"]))
    assert returns.read(record(b"a"), 1, 1.0, LIMIT) is None


def test_an_exception_is_told_with_its_class() -> None:
    raised = m.Failure(offset=0, kind=m.Kind.RAISED, classes=("ValueError",), text="no")
    exited = m.Failure(offset=2, kind=m.Kind.EXITED, status=3)
    said = record(b"pickled", b"value", b"pickled too", failures=(raised, exited))
    whole = returns.read(said, 0, 0.0, LIMIT)
    assert whole is not None
    assert whole.failures == (raised, exited)
    rest = returns.read(said, 1, 1.0, LIMIT)  # the first was told of before
    assert rest is not None
    assert (rest.first, rest.count) == (6, 2)
    assert rest.failures == (msgspec.structs.replace(exited, offset=1),)


@pytest.mark.parametrize("count", [1, 5], ids=["one frame", "all together"])
def test_a_result_that_is_too_large_cannot_be_pickled(count: int) -> None:
    """The error says what bounds it, and what to do."""
    size = LIMIT + 1 if count == 1 else LIMIT - 50
    parcel = payload.Parcel(b"x", tuple(bytes(size) for _ in range(count)))
    frames = payload.pack([parcel])
    large = Record(RecordType.RESULT, tuple(frames), job=5, count=1, seconds=1.0)
    returned = returns.read(large, 0, 0.0, LIMIT)
    assert returned is not None
    (failure,) = returned.failures
    assert failure.kind is m.Kind.UNPICKLABLE
    assert "max_message_bytes" in failure.text
    assert sum(map(len, returned.frames)) < LIMIT


def test_results_that_gathered_are_one_batch() -> None:
    quick = Gathered(first=3, sizes=(1, 2), joined=b"abb", seconds=0.1)
    returned = returns.gathered(quick)
    assert (returned.first, returned.count) == (3, 2)
    assert payload.unpack(returned.frames) == payload.unpack(
        payload.pack([b"a", b"bb"])
    )


@pytest.mark.parametrize(
    ("frame", "kind", "why"),
    [
        (b"state", 0, ""),
        (b"it is locked", records.FAILED, "it is locked"),
        (bytes(LIMIT + 1), 0, "max_message_bytes"),
    ],
)
def test_a_checkpoint_that_is_none_says_why(frame: bytes, kind: int, why: str) -> None:
    saved = Record(RecordType.CHECKPOINT, (frame,), job=1, kind=kind)
    said = returns.why_not_saved(saved, LIMIT)
    assert why in said
    assert bool(said) == bool(why)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_clock_that_a_job_has_changed_is_no_breach_of_the_protocol(
    seconds: float,
) -> None:
    """What is told can be said, or an honest runner would be shut out."""
    quick = Gathered(first=0, sizes=(1,), joined=b"a", seconds=seconds)
    slow = msgspec.structs.replace(record(b"a"), seconds=seconds)
    for returned in (returns.gathered(quick), returns.read(slow, 0, 0.0, LIMIT)):
        assert returned is not None
        said = m.Report(number=1, grant=1, first=0, count=1, seconds=returned.seconds)
        assert codec.decode_from_runner(codec.encode(said)) == said
