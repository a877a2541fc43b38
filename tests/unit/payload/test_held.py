"""Memory that is held to be passed on."""

import os
import pickle
import resource
from collections.abc import Iterator

import pytest
from tests.unit.payload.frames import LARGE, frames_here

from gridmap import payload
from gridmap.errors import RemoteProtocolError
from gridmap.payload import held, memory


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever happens, the kernel has it back when nobody holds it."""
    before = frames_here()
    yield
    assert frames_here() == before


def fresh() -> bytes:
    """Return bytes that are like no others."""
    return os.urandom(len(LARGE))


def inode(frame: payload.Frame) -> int:
    """Return which memory a held frame shows."""
    found = held.sealed_in(frame)
    assert found is not None
    return os.fstat(found.descriptor).st_ino


def test_what_is_held_is_passed_on_without_a_copy() -> None:
    """It is one memory for whoever has it, and stays while anybody has."""
    array = bytearray(LARGE)
    frame = held.hold(array)
    array[0] ^= 1
    assert frame == LARGE
    assert held.hold(frame) is frame
    source = held.seal(frame)
    assert source is held.sealed_in(frame)
    assert source is not None
    passed = held.relay(memory.fetch(os.getpid(), source.reference, len(LARGE)))
    del source
    assert inode(passed) == inode(frame)
    del frame
    assert passed == LARGE


def test_the_same_bytes_are_held_once_whoever_has_them() -> None:
    """Whether it is the same object does not count, but what is in it."""
    array = bytearray(LARGE)
    first = held.hold(array)
    assert inode(held.hold(array)) == inode(first)
    assert inode(held.hold(bytes(array))) == inode(first)
    assert held.hold(LARGE + b"more") == LARGE + b"more"
    memory_of_first = inode(first)
    del first
    second = held.hold(array)
    assert second == LARGE
    assert inode(second) != memory_of_first, "nobody has kept it"


@pytest.mark.parametrize("at", [0, 300_001, len(LARGE) // 2, len(LARGE) - 1])
def test_an_array_that_changed_is_held_anew(at: int) -> None:
    """Wherever it changed, and what was held before stays what it was."""
    array = bytearray(LARGE)
    first = held.hold(array)
    array[at] ^= 1
    second = held.hold(array)
    assert second == array
    assert first == LARGE
    array[at] ^= 1
    assert held.hold(array) == LARGE


def test_memory_that_comes_several_times_is_held_once() -> None:
    """A runner passes on an array that stands in many inputs, job by job."""
    source, before = memory.make(LARGE), frames_here()
    first = held.relay(os.dup(source.descriptor))
    after = frames_here()
    again = [held.relay(os.dup(source.descriptor)) for _ in range(2 * held.MOST_HELD)]
    assert frames_here() == after > before
    assert {inode(frame) for frame in again} == {inode(first)}


def test_what_a_runner_passes_on_is_not_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is no copy: others have that memory anyway."""
    monkeypatch.setattr(held, "MOST_HELD_BYTES", 0)
    source = memory.make(LARGE)
    assert held.sealed_in(held.relay(os.dup(source.descriptor))) is not None


def test_a_part_of_what_is_held_is_not_taken_for_all_of_it() -> None:
    """Only the whole is referred to."""
    frame = held.hold(LARGE + b"more")
    assert held.sealed_in(memoryview(frame)[4:]) is None
    assert held.sealed_in(memoryview(frame)[:]) is not None
    assert held.sealed_in(LARGE) is None


def test_what_is_held_is_bounded_in_number_and_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes beyond the bounds stays what it was; what is let go makes room."""
    monkeypatch.setattr(held, "MOST_HELD", 2)
    kept = [held.hold(fresh()) for _ in range(2)]
    assert held.hold(LARGE) is LARGE
    source = memory.make(LARGE)
    assert held.sealed_in(held.relay(os.dup(source.descriptor))) is None
    kept.pop()
    kept.append(held.hold(LARGE))
    assert kept[-1] is not LARGE
    monkeypatch.setattr(held, "MOST_HELD", 64)
    monkeypatch.setattr(held, "MOST_HELD_BYTES", 3 * len(LARGE))
    more, most = fresh(), fresh()
    kept.append(held.hold(more))
    assert kept[-1] is not more
    assert held.hold(most) is most


def test_what_is_kept_for_long_leaves_room_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Functions that hold large data stay for a run; its inputs come and go."""
    monkeypatch.setattr(held, "MOST_HELD", 4)
    kept = [held.hold(fresh(), lasting=True) for _ in range(2)]
    assert held.hold(LARGE, lasting=True) is LARGE
    kept.append(held.hold(LARGE))
    assert kept[-1] is not LARGE
    monkeypatch.setattr(held, "MOST_HELD", 64)
    monkeypatch.setattr(held, "MOST_HELD_BYTES", 4 * len(LARGE))
    more = fresh()
    assert held.hold(more, lasting=True) is more
    kept.append(held.hold(more))
    assert kept[-1] is not more


def test_results_and_inputs_have_bounds_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who keeps many results can still hand in large inputs."""
    monkeypatch.setattr(memory, "MOST_MAPPINGS", 0)
    assert held.hold(LARGE) is not LARGE
    monkeypatch.setattr(memory, "MOST_MAPPINGS", 1)
    monkeypatch.setattr(held, "MOST_HELD", 0)
    source, before = memory.make(LARGE), frames_here()
    kept = memory.take(os.dup(source.descriptor))
    assert frames_here() > before
    del kept


def test_frames_are_referred_to_for_neighbours_alone() -> None:
    """Others get them whole, and nobody follows a reference that was not agreed."""
    frames = [b"small", held.hold(LARGE)]
    methods, _, reference = payload.encode(frames, "auto", neighbour=True)
    assert methods == bytes([0, payload.REFERRED])
    assert len(reference) == memory.REFERENCE.size
    assert payload.encode(frames, "none")[2] is frames[1]
    with pytest.raises(RemoteProtocolError, match="number 3"):
        payload.decode([methods, b"small", reference], 2**30)


def test_what_is_referred_to_counts_against_the_limit() -> None:
    """As if it were in the message; what is followed once counts once."""

    def fetch(reference: payload.Frame, limit_bytes: int) -> payload.Frame:
        return memory.take(memory.fetch(os.getpid(), reference, limit_bytes))

    frame = held.hold(LARGE)
    frames = payload.encode([frame, frame], "none", neighbour=True)
    assert payload.decode(frames, 2 * len(LARGE), fetch) == [LARGE, LARGE]
    with pytest.raises(RemoteProtocolError, match="allowed"):
        payload.decode(frames, 2 * len(LARGE) - 1, fetch)
    one, other = payload.decode(frames, len(LARGE), fetch, alike=True)
    assert one is other
    assert one == LARGE


def test_short_frames_are_not_worth_it() -> None:
    """They travel as they are."""
    assert held.seal(LARGE[1:]) is None


def test_without_descriptors_or_room_a_frame_travels_as_it_is() -> None:
    """A limit on open files, or on their size, costs speed and nothing else."""
    for limit, bound in (
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_FSIZE, memory.LEAST_BYTES // 2),
    ):
        soft, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (bound, hard))
        try:
            assert held.seal(LARGE) is None
            assert held.hold(LARGE) is LARGE
        finally:
            resource.setrlimit(limit, (soft, hard))


class Array:
    """Goes out of band, and is its buffer again."""

    def __init__(self, data: bytearray | memoryview) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return (memoryview, (pickle.PickleBuffer(self.data),))


def test_each_who_loads_what_is_held_has_his_own() -> None:
    """Jobs that have one array write to it, and nobody else sees that."""
    (parcel,) = payload.detach([payload.dump(Array(bytearray(LARGE)), what="it")])
    assert isinstance(parcel, payload.Parcel)
    first, second = (payload.load(parcel) for _ in range(2))
    assert isinstance(first, memoryview)
    first[:4] = b"mine"
    assert second == LARGE
    assert payload.load(parcel) == LARGE


def test_without_descriptors_what_is_held_is_copied_for_its_user() -> None:
    """As memory that is not held is."""
    parcel = payload.dump(Array(bytearray(LARGE)), what="it").detach()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        loaded = payload.load(parcel)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(loaded, memoryview)
    assert not loaded.readonly
    assert loaded == LARGE


def test_calls_that_have_an_array_alike_have_it_once() -> None:
    """Where nothing can have changed it between, it is not even looked at again."""
    array, other = Array(bytearray(LARGE)), Array(bytearray(fresh()))
    calls = [payload.dump((one, n), what="it") for n, one in enumerate([array] * 3)]
    calls.append(payload.dump((other, 3), what="it"))
    apart = payload.detach([b"plain", *calls])
    assert apart[0] == b"plain"
    array.data[0] ^= 1
    buffers = [
        call.buffers[0] for call in apart[1:] if isinstance(call, payload.Parcel)
    ]
    assert buffers[0] is buffers[1] is buffers[2]
    assert buffers[0] == LARGE
    assert buffers[3] == other.data


def test_parts_of_one_memory_are_not_taken_for_each_other() -> None:
    """They may be of the same length, and one object's."""
    both = memoryview(LARGE + fresh())
    halves = [both[: len(LARGE)], both[len(LARGE) :]]
    parcels = [payload.Parcel(b"", (half,)) for half in halves]
    settled = payload.settle(parcels, bytes)
    assert [parcel.buffers[0] for parcel in settled] == halves
