"""Large data: one array there and back, and one array that many jobs share.

Usage: ``python benchmarks/bulk.py [MEGABYTES]``

Needs numpy; joblib and Ray are measured too where they are installed, and named where
they are not. All run in turn, round by round, with workers that are up already, and
each has an array of its own in every round, of random bits: nothing to compress, nothing
to be remembered. Compare the medians of one run, never figures of two.
"""

import contextlib
import functools
import importlib
import importlib.util
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from gridmap import GridExecutor

ROUNDS = 5
WORKERS = 2
JOBS = 64
SHARED: Any = None

Run: TypeAlias = Callable[[Any], object]


def same(array: Any) -> Any:
    """Return what was given."""
    return array


def pick(array: Any, index: int) -> float:
    """Read one number of a large array."""
    return float(array[index])


def make_array(megabytes: int, *seed: int) -> Any:
    """Return numbers that no other seed gives."""
    return np.random.default_rng(seed).random(megabytes * 125_000)


def pick_of(pair: tuple[Any, int]) -> float:
    """As `pick`, for an input that holds both."""
    return pick(*pair)


def pick_shared(index: int, *, array: Any) -> float:
    """Read one number of a large array that all calls have alike."""
    return float(array[index])


def closure(array: Any) -> Callable[[int], float]:
    """Return a function that holds the array."""
    return lambda index: float(array[index])


def map_global(executor: GridExecutor, array: Any) -> list[float]:
    """Map a function that reads a global, which has this array now."""

    def read(index: int) -> float:
        return float(SHARED[index])

    globals()["SHARED"] = array
    try:
        return list(executor.map(read, range(JOBS)))
    finally:
        globals()["SHARED"] = None


def submitted(executor: GridExecutor, array: Any) -> list[float]:
    """Hand in calls one by one, each with the array."""
    futures = [executor.submit(pick, array, index) for index in range(JOBS)]
    return [future.result() for future in futures]


def medians(ways: dict[str, Run], megabytes: int) -> dict[str, float]:
    """Return the seconds of each way, the median of rounds in which they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for turn, (name, run) in enumerate(ways.items()):
            array = make_array(megabytes, number, turn)
            begin = time.perf_counter()
            run(array)
            if number:  # the first round wakes everybody up
                taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


@contextlib.contextmanager
def started() -> Iterator[tuple[dict[str, Run], dict[str, Run]]]:
    """Start everybody; give the ways there and back, and the ways to share."""
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(GridExecutor(WORKERS, backend="local"))
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(WORKERS))
        there: dict[str, Run] = {
            "gridmap": lambda array: executor.submit(same, array).result(),
            "multiprocessing": lambda array: pool.apply(same, (array,)),
        }
        shared: dict[str, Run] = {
            "gridmap, shared=": lambda array: list(
                executor.map(pick_shared, range(JOBS), shared={"array": array})
            ),
            "gridmap, partial": lambda array: list(
                executor.map(functools.partial(pick, array), range(JOBS))
            ),
            "gridmap, closure": lambda array: list(
                executor.map(closure(array), range(JOBS))
            ),
            "gridmap, global": lambda array: map_global(executor, array),
            "gridmap, in each input": lambda array: list(
                executor.map(pick_of, [(array, index) for index in range(JOBS)])
            ),
            "gridmap, from a generator": lambda array: list(
                executor.map(pick_of, ((array, index) for index in range(JOBS)))
            ),
            "gridmap, submitted": lambda array: submitted(executor, array),
        }
        if importlib.util.find_spec("joblib"):
            add_joblib(stack, there, shared)
        if importlib.util.find_spec("ray"):
            add_ray(stack, there, shared)
        yield there, shared


def add_joblib(
    stack: contextlib.ExitStack, there: dict[str, Run], shared: dict[str, Run]
) -> None:
    """Measure joblib, which maps arrays from files."""
    from joblib import Parallel, delayed  # noqa: PLC0415 - need not be there

    parallel = stack.enter_context(Parallel(WORKERS))
    there["joblib"] = lambda array: parallel([delayed(same)(array)])
    shared["joblib"] = lambda array: parallel(
        delayed(pick)(array, index) for index in range(JOBS)
    )


def add_ray(
    stack: contextlib.ExitStack, there: dict[str, Run], shared: dict[str, Run]
) -> None:
    """Measure Ray, which keeps arrays in shared memory."""
    ray = importlib.import_module("ray")

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    stack.callback(ray.shutdown)
    remote_same, remote_pick = ray.remote(same), ray.remote(pick)

    def share(array: Any) -> object:
        reference = ray.put(array)
        return ray.get([remote_pick.remote(reference, n) for n in range(JOBS)])

    there["ray"] = lambda array: ray.get(remote_same.remote(array))
    shared["ray"] = share


def show(title: str, found: dict[str, float]) -> None:
    """Print seconds, and how many times as long as the first each one took."""
    print(title)
    base = next(iter(found.values()))
    for name, seconds in found.items():
        print(f"  {name:26} {seconds:8.3f} s  {seconds / base:6.2f} x gridmap")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    megabytes = int(arguments[0]) if arguments else 100
    for name in ("joblib", "ray"):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed, and not measured")
    with started() as (there, shared):
        show(f"{megabytes} MB there and back", medians(there, megabytes))
        half = megabytes // 2
        show(f"{JOBS} jobs that share {half} MB", medians(shared, half))


if __name__ == "__main__":
    main(sys.argv[1:])
