"""Large arrays pass between driver and workers as memory, and in full where need be."""

import functools
import gc
import itertools
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridmap import GridExecutor, Retry, grid_map, payload
from gridmap.monitor.functions import IDLE_BYTES
from gridmap.payload import Compression, held
from gridmap.testing import eventually
from gridmap.verdict import Cause

LENGTH = 200_000
"""Numbers in an array: 1.6 MB."""


def mapped() -> dict[int, list[range]]:
    """Return where this process has frames in memory, by inode."""
    found: dict[int, list[range]] = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "memfd:gridmap-frame" in line:
            place, _, _, _, inode, *_ = line.split()
            first, last = (int(end, 16) for end in place.split("-"))
            found.setdefault(int(inode), []).append(range(first, last))
    return found


def is_mapped(array: Any) -> bool:
    """Return whether an array lies in such memory."""
    places = itertools.chain.from_iterable(mapped().values())
    return any(array.ctypes.data in place for place in places)


def look(array: Any, number: int) -> tuple[float, set[int]]:
    """Read a number of an array; tell what memory this worker has."""
    assert is_mapped(array)
    return float(array[number]), set(mapped())


def look_at(number: int, *, array: Any) -> tuple[float, set[int]]:
    """Read a number of an array that all jobs share; tell what memory is here."""
    return look(array, number)


def count_up(_: int, *, array: Any) -> float:
    """Write to what all jobs share."""
    array[0] += 1
    return float(array[0])


def look_in(pair: tuple[Any, int]) -> tuple[float, set[int]]:
    """As `look`, for both in one input."""
    return look(*pair)


def write(array: Any, number: int) -> tuple[float, float]:
    """Write all over an array; tell what was there before, and what is there now."""
    before = float(array[0])
    array[:] = number
    return before, float(array.sum()) / LENGTH


def first(array: Any) -> float:
    """Return the first number."""
    return float(array[0])


def end_once(array: Any, number: int, whom: str, place: str) -> tuple[float, float]:
    """Write to an array; the eighth job ends its runner or worker, the first time."""
    told = write(array, number)
    if number == 8 and not Path(place).exists():
        Path(place).touch()
        os.kill(os.getppid() if whom == "runner" else os.getpid(), signal.SIGKILL)
        signal.pause()
    return told


def results(futures: Iterable[Future[Any]]) -> list[Any]:
    """Return what calls came to that were all handed in first."""
    return [future.result() for future in list(futures)]


class Refilled:
    """A sequence that fills the same array for each of its items."""

    def __init__(self, length: int) -> None:
        self.array = np.zeros(LENGTH)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Any:
        if number >= self.length:
            raise IndexError(number)
        self.array[:] = number
        return self.array


def refilled(length: int) -> Iterator[Any]:
    """Yield one array, filled anew for each of its items."""
    yield from iter(Refilled(length))


def double(array: Any) -> Any:
    """Write to an array, and return it."""
    array *= 2
    return array


def add_up(array: Any) -> float:
    """Return one number."""
    return float(array.sum())


def die_once(array: Any, place: str) -> Any:
    """End the runner by force, in the first attempt."""
    if not Path(place).exists():
        Path(place).touch()
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return array


@pytest.fixture
def array() -> Any:
    """Return an array of which no part is like another."""
    return np.random.default_rng(1).random(LENGTH)


@pytest.fixture
def executor() -> Iterator[GridExecutor]:
    """Return one whose worker is up; afterwards no memory is left."""
    gc.collect()
    before = set(mapped())
    with GridExecutor(1, backend="local") as executor:
        executor.submit(abs, 1).result()
        yield executor
    del executor

    def left() -> bool:
        gc.collect()
        return not set(mapped()) - before

    eventually(left, within_s=10, what="all memory to be given back", gap_s=0.02)


@contextmanager
def one_descriptor(pid: int) -> Iterator[None]:
    """Let a process open no more than one file at a time, for a while."""
    seen = list(Path(f"/proc/{pid}/fd").iterdir())
    used = {int(entry.name) for entry in seen if entry.is_symlink()}  # not what looked
    _, bound = itertools.islice((n for n in itertools.count() if n not in used), 2)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (bound, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_what_jobs_share_is_one_memory(executor: GridExecutor, array: Any) -> None:
    """The driver's, whoever reads it, and however many jobs do."""
    told = list(executor.map(functools.partial(look, array), range(20)))
    assert [value for value, _ in told] == list(array[:20])
    (inode,) = set.union(*(inodes for _, inodes in told)) & set(mapped())
    again = list(executor.map(functools.partial(look, array.copy()), range(2)))
    assert all(inode in inodes for _, inodes in again), "equal arrays are one"


def test_what_is_named_as_shared_is_one_memory(
    executor: GridExecutor, array: Any
) -> None:
    """As what a function holds, for a generator's calls too."""
    for buffersize in (None, 2):
        told = list(
            executor.map(
                look_at, range(20), buffersize=buffersize, shared={"array": array}
            )
        )
        assert [value for value, _ in told] == list(array[:20])
        inodes = set.union(*(inodes for _, inodes in told))
        assert len(inodes & set(mapped())) == 1


def test_what_jobs_share_is_a_workers_own(array: Any) -> None:
    """What a job changes there later jobs of that worker see, and nobody else."""
    first = array[0]
    results = grid_map(
        count_up, range(3), shared={"array": array}, backend="local", max_workers=1
    )
    assert results == [first + 1, first + 1 + 1, first + 1 + 1 + 1]
    assert array[0] == first


def test_an_array_in_many_inputs_is_one_memory(
    executor: GridExecutor, array: Any
) -> None:
    """The driver's, whoever reads it, and however many jobs have it."""
    jobs = 2 * held.MOST_HELD
    for told in (
        executor.map(look, itertools.repeat(array, jobs), range(jobs)),
        executor.map(look_in, [(array, number) for number in range(jobs)]),
        executor.map(look_in, ((array, number) for number in range(jobs))),
        results(executor.submit(look, array, number) for number in range(jobs)),
    ):
        numbers, inodes = zip(*told, strict=True)
        assert list(numbers) == list(array[: len(numbers)])
        assert len(set.union(*inodes)) == 1, "no job has another, nor two"


def test_an_array_in_many_inputs_is_each_jobs_own(array: Any) -> None:
    """What one writes there no other job sees, nor does the caller."""
    before = array.copy()
    inputs = [[array, number] for number in range(30)]
    told = grid_map(write, inputs, backend="local", max_workers=2)
    assert told == [(before[0], number) for number in range(30)]
    assert (array == before).all()


@pytest.mark.parametrize("inputs", [refilled, Refilled])
def test_an_array_that_is_filled_again_is_what_it_was(
    executor: GridExecutor, inputs: Callable[[int], Any]
) -> None:
    """When it was read, be it by a generator or by a class of the user's."""
    assert list(executor.map(first, inputs(5))) == [0, 1, 2, 3, 4]
    assert list(executor.map(first, inputs(5), buffersize=2)) == [0, 1, 2, 3, 4]
    assert grid_map(first, inputs(5), backend="local", max_workers=1) == [0, 1, 2, 3, 4]


def test_what_was_handed_in_may_be_changed(executor: GridExecutor, array: Any) -> None:
    """A call has what its argument was then, whether it has begun or not."""
    futures = []
    for number in range(5):
        array[0] = number
        futures.append(executor.submit(first, array))
    array[0] = -1.0
    assert [future.result() for future in futures] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("whom", ["worker", "runner"])
def test_an_array_in_many_inputs_outlives_those_who_have_it(
    array: Any, tmp_path: Path, whom: str
) -> None:
    """Jobs of a worker or runner that was killed have it again, as it was."""
    before = set(mapped())
    place = str(tmp_path / "ended")
    inputs = [[array, number, whom, place] for number in range(20)]
    rule = Retry(on=[Cause.SIGNALLED, Cause.KILLED, Cause.LOST], times=2)
    told = grid_map(end_once, inputs, backend="local", max_workers=2, retry=rule)
    assert told == [(array[0], number) for number in range(20)]
    gc.collect()
    eventually(
        lambda: not set(mapped()) - before, within_s=10, what="no memory to be left"
    )


def test_an_array_that_changed_is_another(executor: GridExecutor, array: Any) -> None:
    """What looks the same but for one number is not taken for the same."""
    for number in (0, LENGTH // 2, LENGTH - 1):
        array[number] = -1.0
        call = functools.partial(look, array)
        assert executor.submit(call, number).result()[0] == -1.0


def test_results_are_memory_that_is_the_users_own(
    executor: GridExecutor, array: Any
) -> None:
    """They can be written to, and so can an argument; nobody else sees that."""
    first, second = list(executor.map(double, [array, array]))
    assert is_mapped(first)
    first[0] = 7.0
    assert second[0] == 2 * array[0]
    assert (second == 2 * array).all()


def test_a_driver_without_descriptors_gets_all_in_full(executor: GridExecutor) -> None:
    """It says so, and the result comes within the message."""
    payload.compress(b"x", Compression.ZSTD)  # what is kept to import that is let go
    assert is_mapped(executor.submit(np.arange, LENGTH).result())
    with one_descriptor(os.getpid()):
        result = executor.submit(np.arange, LENGTH).result()
    assert not is_mapped(result)
    assert (result == np.arange(LENGTH)).all()


def test_a_runner_without_descriptors_gets_all_in_full(
    executor: GridExecutor, array: Any
) -> None:
    """It says so by another greeting, and its work is given again."""
    runner = executor.submit(os.getppid).result()
    total = float(array.sum())
    with one_descriptor(runner):
        assert executor.submit(add_up, array).result() == total
        call = functools.partial(np.dot, array)
        assert np.isclose(executor.submit(call, array).result(), (array**2).sum())
    assert executor.submit(os.getppid).result() == runner


def test_a_runner_without_descriptors_shares_nothing_and_mixes_nothing_up(
    executor: GridExecutor, array: Any
) -> None:
    """Jobs that have one array write to their own all the same."""
    runner = executor.submit(os.getppid).result()
    with one_descriptor(runner):
        told = list(executor.map(write, itertools.repeat(array, 20), range(20)))
    assert told == [(array[0], number) for number in range(20)]
    assert executor.submit(os.getppid).result() == runner


def test_a_runner_that_is_killed_takes_no_memory_along(
    array: Any, tmp_path: Path
) -> None:
    """Its jobs are run again, with the same memory."""
    before = set(mapped())
    place = str(tmp_path / "died")
    results = grid_map(die_once, [[array, place]], backend="local")
    assert (results[0] == array).all()
    del results
    gc.collect()
    eventually(
        lambda: not set(mapped()) - before, within_s=10, what="no memory to be left"
    )


def test_a_run_with_a_name_writes_down_what_it_was_given(
    array: Any, runs: Path
) -> None:
    """And gives it out of its journal, when it is asked again."""
    for _ in range(2):
        results = grid_map(double, [array, array], backend="local", resume="large")
        for result in results:
            assert (result == 2 * array).all()
            result[0] = 0.0
    shutil.rmtree(runs / "named")


def test_functions_that_no_job_needs_are_forgotten() -> None:
    """A script may make a large one for each call, and hand them in for days."""
    most = IDLE_BYTES // (8 * LENGTH) + 3
    with GridExecutor(backend="local", max_workers=1) as executor:
        for number in range(2 * most):
            function = functools.partial(look_at, array=np.full(LENGTH, float(number)))
            value, frames = executor.submit(function, 0).result()
            assert value == number
            assert len(frames) <= most
        gc.collect()
        eventually(
            lambda: len(mapped()) <= most,
            within_s=10,
            what="the driver forgets them too",
        )
