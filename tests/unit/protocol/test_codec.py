"""Any bytes are a message or a RemoteProtocolError, and messages come back equal."""

import math
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import RemoteProtocolError
from gridmap.protocol import codec
from gridmap.protocol import messages as m

COUNTS = st.integers(0, 2**53)
SECONDS = st.floats(0, 1e12)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
SOME = st.integers(1, 2**20)
FAILURES = st.builds(
    m.Failure,
    offset=COUNTS,
    kind=st.sampled_from(m.Kind),
    status=st.none() | st.integers(-(2**31), 2**31),
)

PROGRESS = st.builds(
    m.Progress,
    done=st.floats(-1e300, 1e300),
    total=st.none() | st.floats(-1e300, 1e300),
    text=WORDS,
)

_T = TypeVar("_T")


def build(kind: type[_T], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[_T]:
    return st.builds(kind, **fields)


FROM_RUNNER = st.one_of(
    build(
        m.Hello,
        version=COUNTS,
        nonce=WORDS,
        job=st.none() | WORDS,
        task=st.none() | WORDS,
        node=WORDS,
        pid=COUNTS,
        python=st.tuples(COUNTS, COUNTS, COUNTS),
        gridmap=WORDS,
        remaining=st.none() | st.floats(-1e12, 1e12),
        slots=st.none() | COUNTS,
        holds=st.lists(COUNTS, max_size=4).map(tuple),
        memory=st.binary(max_size=256),
        seen=st.binary(max_size=256),
    ),
    build(
        m.Beat,
        number=COUNTS,
        holds=st.lists(COUNTS, max_size=4).map(tuple),
        job=st.none() | COUNTS,
        running=SECONDS,
        cpu=SECONDS,
        rss=COUNTS,
        peak=COUNTS,
        read=st.none() | COUNTS,
        written=st.none() | COUNTS,
        processes=COUNTS,
        progress=st.none() | PROGRESS,
        tail=WORDS,
    ),
    build(
        m.Live,
        job=st.none() | COUNTS,
        progress=st.none() | PROGRESS,
        printed=st.lists(
            st.builds(m.Printed, job=st.none() | COUNTS, text=WORDS), max_size=3
        ).map(tuple),
        lost=COUNTS,
    ),
    build(m.Stack, job=COUNTS, text=WORDS),
    build(
        m.Report,
        number=COUNTS,
        grant=COUNTS,
        first=COUNTS,
        count=SOME,
        failures=st.lists(FAILURES, max_size=4).map(tuple),
        seconds=SECONDS,
    ),
    build(
        m.WorkerLost,
        number=COUNTS,
        grant=COUNTS,
        job=COUNTS,
        status=st.none() | st.integers(0, 255),
        signal=st.none() | COUNTS,
        peak=COUNTS,
        out_of_memory=st.booleans(),
        seconds=SECONDS,
        tail=WORDS,
    ),
    build(m.Returned, number=COUNTS, grant=COUNTS, first=COUNTS, count=SOME),
    build(
        m.Warned,
        number=COUNTS,
        text=WORDS,
        signal=st.none() | COUNTS,
        job=st.none() | COUNTS,
        ending=st.booleans(),
    ),
    build(
        m.Checkpoint,
        number=COUNTS,
        grant=COUNTS,
        job=COUNTS,
        digest=st.binary(max_size=32),
        seconds=SECONDS,
    ),
    build(
        m.Goodbye,
        number=COUNTS,
        reason=WORDS,
        text=WORDS,
        signal=st.none() | COUNTS,
        job=st.none() | COUNTS,
        tail=WORDS,
    ),
)
FROM_MONITOR = st.one_of(
    build(
        m.Welcome,
        version=COUNTS,
        interval=SECONDS,
        orphan=SECONDS,
        environment=st.dictionaries(WORDS, st.none() | WORDS, max_size=4),
        directory=WORDS,
        path=st.lists(WORDS, max_size=4).map(tuple),
        compression=WORDS,
        grace=SECONDS,
        memory=st.booleans(),
    ),
    build(m.Refuse, text=WORDS),
    build(m.Plain),
    build(m.Examine, job=COUNTS),
    build(m.Watch, period=SECONDS, output=st.booleans()),
    build(m.Content, digest=st.binary(max_size=32), once=st.booleans()),
    build(
        m.Work,
        grant=COUNTS,
        first=COUNTS,
        count=SOME,
        attempt=st.integers(1, 99),
        function=st.binary(max_size=32),
    ),
    build(m.Ack, numbers=st.lists(COUNTS, max_size=4).map(tuple)),
    build(m.Echo, number=COUNTS),
    build(m.Recall, grant=COUNTS),
    build(m.Cancel, grant=COUNTS, first=COUNTS, count=SOME),
    build(m.Stop, now=st.booleans()),
)


@given(FROM_RUNNER)
def test_what_a_runner_says_comes_back_equal(message: m.FromRunner) -> None:
    """Every type and every field survives the wire."""
    back = codec.decode_from_runner(codec.encode(message))
    assert back == message
    assert type(back) is type(message)


@given(FROM_MONITOR)
def test_what_the_monitor_says_comes_back_equal(message: m.FromMonitor) -> None:
    """Every type and every field survives the wire."""
    back = codec.decode_from_monitor(memoryview(codec.encode(message)))
    assert back == message
    assert type(back) is type(message)


def test_every_type_of_message_is_tested() -> None:
    """A new message has a strategy above."""
    known = {*m.FromRunner.__args__, *m.FromMonitor.__args__}
    drawn = {
        value
        for value in vars(m).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__struct_config__.tag is not None
    }
    assert known == drawn


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_remote_error(data: bytes) -> None:
    """Nothing else is raised, whatever a stranger sends."""
    for decode in (codec.decode_from_runner, codec.decode_from_monitor):
        try:
            decode(data)
        except RemoteProtocolError:
            continue


@given(FROM_RUNNER, st.data())
def test_a_damaged_message_is_a_message_or_a_remote_error(
    message: m.FromRunner, data: st.DataObject
) -> None:
    """Bytes changed, lost or added in the middle do no more harm."""
    damaged = bytearray(codec.encode(message))
    at = data.draw(st.integers(0, len(damaged)))
    stop = data.draw(st.integers(at, min(at + 4, len(damaged))))
    damaged[at:stop] = data.draw(st.binary(max_size=4))
    try:
        codec.decode_from_runner(bytes(damaged))
    except RemoteProtocolError:
        return


@pytest.mark.parametrize(
    "decode", [codec.decode_from_runner, codec.decode_from_monitor]
)
def test_the_other_sides_words_are_not_ones_own(decode: Any) -> None:
    """A message in the wrong direction is refused."""
    wrong: dict[Any, m.FromMonitor | m.FromRunner] = {
        codec.decode_from_runner: m.Stop(),
        codec.decode_from_monitor: m.Beat(number=1, holds=()),
    }
    with pytest.raises(RemoteProtocolError):
        decode(codec.encode(wrong[decode]))


@pytest.mark.parametrize(
    "message",
    [
        m.Beat(number=-1, holds=()),
        m.Report(number=1, grant=1, first=0, count=0),
        m.Report(number=1, grant=1, first=0, count=2**21),
        m.Report(number=1, grant=1, first=0, count=1, seconds=-1.0),
        m.Beat(number=1, holds=(), cpu=math.nan),
        m.Report(number=1, grant=1, first=0, count=1, seconds=math.inf),
        m.Report(number=1, grant=1, first=0, count=1, seconds=math.nan),
        m.Goodbye(number=1, reason="x" * 257),
        m.Returned(number=1, grant=2**60, first=0, count=1),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(message: m.FromRunner) -> None:
    """The rules may compute with what they are told."""
    with pytest.raises(RemoteProtocolError):
        codec.decode_from_runner(codec.encode(message))


@pytest.mark.parametrize("remaining", [math.nan, math.inf, -math.inf])
def test_a_deadline_is_a_number(remaining: float) -> None:
    """Neither infinite nor none at all: None says unlimited."""
    hello = m.Hello(
        version=1, nonce="n", job="1", task=None, node="a", pid=1, python=(3, 11, 0),
        gridmap="1", remaining=remaining,
    )  # fmt: skip
    with pytest.raises(RemoteProtocolError):
        codec.decode_from_runner(codec.encode(hello))


def test_a_message_too_large_is_refused_unread() -> None:
    """Control messages are small; the limit comes before the parser."""
    with pytest.raises(RemoteProtocolError, match="1048577 bytes"):
        codec.decode_from_runner(bytes(codec.LARGEST_CONTROL + 1))


def test_deep_nesting_is_refused() -> None:
    """A message made to exhaust the stack is only refused."""
    with pytest.raises(RemoteProtocolError):
        codec.decode_from_runner(b"\x91" * 100_000)
