"""Any value travels both ways, large ones too; what cannot is named."""

import bz2
import datetime
import decimal
import enum
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests import jobs

from gridmap import GridExecutor, Job, JobMonitor, grid_map, process_jobs
from gridmap.errors import JobException, UnpicklableError
from gridmap.verdict import Cause


class Colour(enum.Enum):
    """A class of the user's own."""

    RED = 1


PLAIN: list[Any] = [
    None,
    True,
    0,
    -(2**200),
    1.5,
    float("inf"),
    "text with \N{SNOWMAN} and \0",
    b"bytes\xff",
    bytearray(b"x"),
    (),
    {},
    set(),
    [[]],
    [[1, [2, (3,)]]],
    {"key": [1, None]},
    Ellipsis,
    NotImplemented,
    complex(1, 2),
    decimal.Decimal("1.10"),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    Path("/no/such/x"),
    range(3),
    Colour.RED,
    int,
    len,
    jobs.square,
]


def test_plain_values_travel_both_ways() -> None:
    """What is returned equals what was given, type and all; None is a value."""
    inputs = [[value] for value in PLAIN]
    results = grid_map(jobs.same, inputs, backend="local")
    assert results == PLAIN
    assert [type(value) for value in results] == [type(value) for value in PLAIN]


def test_values_without_a_truth_travel() -> None:
    """Arrays and frames, whose comparison is no truth value, are results like others."""
    array = np.arange(12).reshape(3, 4)
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    inputs = [array, array[:, ::2], np.float64(2.5), array.T, frame, frame["a"]]
    results = grid_map(jobs.same, inputs, backend="local")
    for result, value in zip(results[:4], inputs[:4], strict=True):
        np.testing.assert_array_equal(result, value)
    pd.testing.assert_frame_equal(results[4], frame)
    pd.testing.assert_series_equal(results[5], frame["a"])


def test_arrays_that_come_back_can_be_written_to() -> None:
    """A result is the caller's own, as a loop's would be."""
    (result,) = grid_map(jobs.same, [np.zeros(1_000_000)], backend="local")
    result[0] = 1.0
    assert result.sum() == 1.0


def test_arrays_that_arrive_can_be_written_to() -> None:
    """An argument is the job's own."""
    assert grid_map(_write, [np.zeros(1_000_000)], backend="local") == [1.0]


def _write(array: Any) -> float:
    array[-1] = 1.0
    return float(array.sum())


def test_rows_of_an_array_are_inputs() -> None:
    """An array is an iterable of its rows, each one argument."""
    array = np.arange(6).reshape(3, 2)
    results = grid_map(np.sum, array, backend="local")
    assert results == [1, 5, 9]


def test_a_buffer_that_is_filled_again_does_no_harm() -> None:
    """A generator may yield the same array again and again with other content."""

    def inputs() -> Any:
        buffer = np.empty(200_000)
        for number in range(3):
            buffer.fill(number)
            yield buffer

    assert grid_map(np.max, inputs(), backend="local") == [0.0, 1.0, 2.0]


def test_what_somebody_kept_stays_as_it_is() -> None:
    """Arrays of one size come and go through the same memory, but for those kept.

    Half of the results are kept here, and half of the inputs where they arrived.
    """
    results: list[tuple[int, Any]] = []
    with GridExecutor(1, backend="local") as executor:
        for number in range(40):
            array = np.full(200_000, number)
            memory, result = executor.submit(_keep_every_other, array).result()
            results.append((memory, result if number % 2 else None))
        kept = executor.submit(_kept_arrays).result()
    assert [set(array) for _, array in results[1::2]] == [{n} for n in range(1, 40, 2)]
    assert kept == list(range(0, 40, 2))
    assert len({memory for memory, _ in results}) < 40, "none was filled again"


_kept: list[Any] = []


def _keep_every_other(array: Any) -> tuple[int, Any]:
    """Return which memory an array is in, and the array."""
    if array[0] % 2 == 0:
        _kept.append(array)
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        where, _, _, _, inode = line.split()[:5]
        first, last = (int(end, 16) for end in where.split("-"))
        if first <= address < last:
            return int(inode), array
    return 0, array


def _kept_arrays() -> list[int]:
    (numbers,) = zip(*(set(array.tolist()) for array in _kept), strict=True)
    return list(numbers)


@pytest.mark.parametrize("backend", ["local"])
def test_exceptions_that_are_returned_are_values(backend: str) -> None:
    """A function may return an exception; nobody raises it."""
    results = grid_map(jobs.same, [ValueError("v"), jobs.Teapot(2)], backend=backend)
    assert [type(result) for result in results] == [ValueError, jobs.Teapot]
    assert results[1].litres == 2


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["auto", "none", "zstd", "bz2"])
def test_large_values_travel_both_ways(compression: str) -> None:
    """Tens of megabytes go there and back, however they are compressed."""
    size = 2**20 if compression == "bz2" else 24 * 2**20
    noise = os.urandom(size)
    results = grid_map(
        jobs.same,
        [noise, b"\0" * size, np.frombuffer(noise, dtype=np.uint8)],
        backend="local",
        settings={"compression": compression},
    )
    assert results[0] == noise
    assert results[1] == b"\0" * size
    assert results[2].tobytes() == noise


@pytest.mark.slow
def test_many_values_of_middling_size_travel() -> None:
    """A thousand results of a hundred kilobytes arrive in order."""
    results = grid_map(
        lambda n: bytes([n % 256]) * 100_000, range(1000), backend="local"
    )
    assert [(value[0], len(value)) for value in results] == [
        (n % 256, 100_000) for n in range(1000)
    ]


def test_a_large_function_travels() -> None:
    """What a closure holds may be large; it goes once to each runner."""
    table = os.urandom(8 * 2**20)
    results = grid_map(lambda n: table[n], range(100), backend="local")
    assert results == list(table[:100])


def test_gridmaps_own_packing_is_a_value() -> None:
    """`gridmap.data` packs as the ancestor did: bz2 round a pickle."""
    from gridmap.data import zdumps, zloads

    packed = zdumps({"a": lambda: 1})
    bz2.decompress(packed)
    (result,) = grid_map(jobs.same, [packed], backend="local")
    assert zloads(result)["a"]() == 1  # type: ignore[index]  # zloads gives an object


# What cannot travel


class Model:
    """Holds something that no process can give to another, deep inside."""

    def __init__(self) -> None:
        self.name = "model"
        self.parts = {"engine": [1, threading.Lock()]}


def test_a_result_that_cannot_travel_is_named() -> None:
    """An unpicklable result names the job, the way to the part at fault, and why."""
    with pytest.raises(UnpicklableError) as caught:
        grid_map(lambda _: Model(), [1, 2], backend="local")
    assert "result of job" in caught.value.what
    assert "parts" in caught.value.path
    assert "lock" in caught.value.reason


def test_a_result_that_cannot_travel_spoils_no_other() -> None:
    """Its neighbours' results arrive all the same."""
    results = grid_map(
        lambda n: threading.Lock() if n == 1 else n,
        range(4),
        backend="local",
        return_exceptions=True,
    )
    assert [results[0], *results[2:]] == [0, 2, 3]
    assert isinstance(results[1], UnpicklableError)


class Poison:
    """Pickles, and cannot be unpickled in any other process than a worker."""

    def __init__(self, kind: type[BaseException] = RuntimeError) -> None:
        self.kind = kind

    def __reduce__(self) -> tuple[Any, tuple[int, type[BaseException]]]:
        return (_only_there, (os.getpid(), self.kind))


def _only_there(pid: int, kind: type[BaseException]) -> Poison:
    if os.getpid() != pid:
        msg = "not here"
        raise kind(msg)
    return Poison()


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_result_that_cannot_be_rebuilt_here_is_told_of(
    kind: type[BaseException],
) -> None:
    """The value arrived and cannot be unpickled: a verdict, with the reason as cause."""
    results = grid_map(
        lambda n: Poison(kind) if n else n,
        [0, 1],
        backend="local",
        return_exceptions=True,
    )
    assert results[0] == 0
    assert isinstance(results[1], JobException)
    assert results[1].verdict.cause is Cause.UNPICKLABLE
    assert isinstance(results[1].__cause__, kind)
    assert "not here" in str(results[1])


def test_an_input_that_cannot_be_rebuilt_there_is_told_of() -> None:
    """An argument that fails to unpickle fails its own job, with the reason."""
    results = grid_map(
        jobs.same, [1, Poison(), 2], backend="local", return_exceptions=True
    )
    assert [results[0], results[2]] == [1, 2]
    assert isinstance(results[1], RuntimeError)
    assert "not here" in str(results[1])


def test_a_result_larger_than_a_message_may_be_is_told_of() -> None:
    """The setting `max_message_bytes` bounds a piece; the error names it."""
    job = Job(os.urandom, [3 * 2**20])
    with pytest.raises(UnpicklableError, match="max_message_bytes"):
        process_jobs([job], backend="local", settings={"max_message_bytes": 2 * 2**20})


def test_small_inputs_may_be_more_than_one_of_them_may_be() -> None:
    """`max_message_bytes` is about each; many of them travel together."""
    inputs = [[os.urandom(60_000)] for _ in range(60)]
    results = grid_map(
        len,
        inputs,
        backend="local",
        max_workers=1,
        settings={"max_message_bytes": "1M"},
    )
    assert results == [60_000] * 60


def test_calls_that_are_handed_in_are_what_they_were_then() -> None:
    """A generator may fill the same array again, and the user change it later."""
    array = np.zeros(100_000)

    def refilled() -> Iterator[tuple[list[Any], None]]:
        for number in range(3):
            array[:] = number
            yield [array], None

    with JobMonitor(backend="local", max_workers=1) as monitor:
        monitor.add(np.max, refilled(), final=True)
        array[:] = 99
        found: dict[int, Any] = {}
        while len(found) < 3:
            found |= {one.job: one.value for one in monitor.outcomes.take()}
    assert found == {0: 0, 1: 1, 2: 2}
