"""How runner and worker cut a stream into records, however it arrives."""

import gc
import socket
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.payload import held, memory
from gridmap.runner import records
from gridmap.runner.link import Link
from gridmap.runner.records import Inlet, Reader, Record, RecordType

RECORDS = st.builds(
    Record,
    type=st.sampled_from(RecordType),
    frames=st.lists(st.binary(max_size=30) | st.just(b"x" * 70_000), max_size=4).map(
        tuple
    ),
    job=st.integers(-1, 2**62),
    count=st.integers(0, 2**20),
    kind=st.integers(0, 3),
    seconds=st.floats(0, 1e9),
    grant=st.integers(0, 2**53),
)


def stream(sent: list[Record]) -> bytes:
    return b"".join(bytes(part) for record in sent for part in records.pack(record))


@given(st.lists(RECORDS, max_size=5), st.data())
def test_records_come_back_however_the_stream_is_cut(
    sent: list[Record], data: st.DataObject
) -> None:
    """Sockets keep the order of bytes and nothing else."""
    whole = stream(sent)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))
    reader = Reader()
    received = []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        received += list(reader.feed(whole[start:stop]))
    assert received == sent


@given(RECORDS)
def test_byte_by_byte_a_record_is_complete_only_at_its_end(record: Record) -> None:
    """Whatever of it is there before."""
    whole = stream([shortened(record)])
    reader = Reader()
    for at in range(len(whole) - 1):
        assert not list(reader.feed(whole[at : at + 1]))
    assert list(reader.feed(whole[-1:])) == [shortened(record)]


def shortened(record: Record) -> Record:
    """Return a record whose frames are short enough to go byte by byte."""
    return msgspec.structs.replace(
        record, frames=tuple(bytes(f)[:30] for f in record.frames)
    )


@given(st.lists(RECORDS, min_size=1, max_size=3), st.data())
def test_a_reader_that_is_not_read_out_keeps_its_place(
    sent: list[Record], data: st.DataObject
) -> None:
    """Who stops after some records finds the others with the next bytes."""
    reader = Reader()
    some = data.draw(st.integers(1, len(sent)))
    records_in = reader.feed(stream(sent))
    received = [next(records_in) for _ in range(some)]
    del records_in  # the generator is closed where it stands
    received += list(reader.feed(b""))
    assert received == sent


@given(st.lists(RECORDS, max_size=3))
def test_the_blocking_end_reads_what_was_written(sent: list[Record]) -> None:
    """Large frames included, which come in memory of their own; then the end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def write() -> None:
            for record in sent:
                records.send(ours, record)
            ours.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write)
        writer.start()
        received, inlet = [], Inlet(theirs)
        while (record := inlet.receive()) is not None:
            received.append(record)
        assert not inlet.waiting
        writer.join()
    assert [stream([record]) for record in received] == [stream([r]) for r in sent]
    for frame in (frame for record in received for frame in record.frames):
        assert memoryview(frame).readonly == (len(frame) < 70_000), (
            "it is the job's own"
        )


@pytest.mark.parametrize("length", [1, 25, 40])
def test_a_record_cut_off_is_the_end(length: int) -> None:
    """A worker that died in the middle of a record said nothing."""
    ours, theirs = socket.socketpair()
    with theirs:
        record = Record(RecordType.RESULT, (b"x" * 50,), 3)
        with ours:
            ours.sendall(stream([record])[:length])
        assert Inlet(theirs).receive() is None


def test_too_many_frames_are_refused() -> None:
    """The header counts with sixteen bits."""
    with pytest.raises(ValueError, match="65536 frames"):
        records.pack(Record(RecordType.RESULT, (b"",) * 65_536))


LARGE = (b"a" * memory.LEAST_BYTES, b"small", b"b" * (memory.LEAST_BYTES + 1), b"")


def test_large_frames_go_beside_the_stream_either_way() -> None:
    """They come as memory, in their place, record by record.

    They are held, so that they can be passed on, and each job gets its own of them.
    """
    ours, theirs = socket.socketpair()
    first = Record(RecordType.RESULT, LARGE, 3)
    second = Record(RecordType.JOBS, LARGE[::-1], 4)
    with ours, theirs:
        records.send(ours, first)  # blocks for ever if it goes through the socket
        records.send(ours, second)
        ours.setblocking(False)
        theirs.setblocking(False)
        taken = list(Link(theirs).receive())
        assert taken == [first, second]
        for record in taken:
            Link(theirs).send(record)
        ours.setblocking(True)
        inlet = Inlet(ours)
        worker = inlet.receive()
        assert worker == first
        assert inlet.receive() == second
    assert held.sealed_in(taken[0].frames[0]) is not None
    assert held.sealed_in(worker.frames[0]) is not None


def test_a_frame_that_many_jobs_have_is_handed_over_once() -> None:
    """However many they are, and whether it was held before or not."""
    ours, theirs = socket.socketpair()
    several = (LARGE[0], held.hold(LARGE[2]), b"small") * 100
    record = Record(RecordType.JOBS, several, 3)
    assert len(records.put_apart(record).memories) == 2
    with ours, theirs:
        records.send(ours, record)  # blocks for ever if it goes through the socket
        theirs.setblocking(False)
        (passed,) = Link(theirs).receive()
        assert passed == record
        Link(theirs).send(passed)
        taken = Inlet(ours).receive()
    assert taken == record
    assert len({id(held.sealed_in(frame)) for frame in taken.frames[::3]}) == 1
    assert frames_held() == 1 + 2, "one as it was sent, both as they came"


def test_a_frame_without_room_to_hold_it_is_written_to_by_one_job_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is taken for use instead could be written to: not if two jobs have it."""
    monkeypatch.setattr(held, "MOST_HELD", 0)
    ours, theirs = socket.socketpair()
    frames = (LARGE[0], LARGE[2], LARGE[0])
    with ours, theirs:
        records.send(ours, Record(RecordType.JOBS, frames, 3))
        taken = Inlet(theirs).receive()
    assert taken is not None
    assert [memoryview(f).readonly for f in taken.frames] == [True, False, True]


def test_more_large_frames_than_descriptors_pass_at_a_time() -> None:
    """The others go through the socket."""
    ours, theirs = socket.socketpair()
    several = tuple(bytes(LARGE[0]) + bytes([n]) for n in range(66))
    record = Record(RecordType.RESULT, several, 3)
    received = []
    with ours, theirs:
        reader = threading.Thread(
            target=lambda: received.append(Inlet(theirs).receive())
        )
        reader.start()
        records.send(ours, record)
        reader.join()
    assert received == [record]


def test_a_sender_killed_in_the_middle_leaves_no_memory() -> None:
    """What had been handed over goes with the line."""
    ours, theirs = socket.socketpair()
    apart = records.put_apart(Record(RecordType.RESULT, LARGE, 3))
    first, *_ = records.pack(Record(RecordType.RESULT, LARGE, 3), apart)
    with ours, theirs:
        theirs.setblocking(False)
        records.send_with(ours, bytes(first)[:20], apart.memories)
        link = Link(theirs)
        assert not list(link.receive())
        del apart
        assert frames_held()
        del link
    assert not frames_held()


def frames_held() -> int:
    """Return how many mappings of handed over memory this process has."""
    gc.collect()
    return Path("/proc/self/maps").read_text().count("memfd:gridmap-frame")
