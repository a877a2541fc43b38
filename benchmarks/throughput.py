"""No-op jobs a second and round trips, beside what Python itself has.

Usage: ``python benchmarks/throughput.py [JOBS]``

Everything runs in one process, in turn, several times over: compare the medians of one
run, never figures of two. joblib is measured too if it is installed.
"""

import contextlib
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from gridmap import GridExecutor, grid_map

ROUNDS = 3
WORKERS = 2


def same(number: int) -> int:
    """Do nothing."""
    return number


def rate(run: Callable[[], object], jobs: int) -> float:
    """Return jobs a second, the median of several rounds."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return jobs / statistics.median(taken)


def gather(executor: Executor, jobs: int) -> list[int]:
    """Submit jobs one by one and wait for all."""
    futures = [executor.submit(same, number) for number in range(jobs)]
    return [future.result() for future in futures]


def round_trips(executor: Executor) -> tuple[float, float]:
    """Return median and 99th percentile of one job after the other, milliseconds."""
    executor.submit(same, 0).result()
    taken = []
    for number in range(300):
        begin = time.perf_counter()
        executor.submit(same, number).result()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


def maps(jobs: int) -> Iterator[tuple[str, float]]:
    """Measure whole maps."""
    inputs = range(jobs)
    yield "grid_map, cold", rate(lambda: grid_map(same, inputs, backend="local"), jobs)
    with GridExecutor(WORKERS, backend="local") as executor:
        gather(executor, 10)
        yield "GridExecutor.map", rate(lambda: list(executor.map(same, inputs)), jobs)
    with multiprocessing.Pool(WORKERS) as pool:
        yield "Pool.map(chunksize=1)", rate(lambda: pool.map(same, inputs, 1), jobs)
    with contextlib.suppress(ImportError):
        from joblib import Parallel, delayed  # noqa: PLC0415 - need not be there

        with Parallel(WORKERS) as parallel:
            yield (
                "joblib",
                rate(lambda: parallel(delayed(same)(n) for n in inputs), jobs),
            )


def main(arguments: list[str]) -> None:
    """Measure and print."""
    jobs = int(arguments[0]) if arguments else 100_000
    found = dict(maps(jobs))
    base = found["Pool.map(chunksize=1)"]
    print(f"{jobs:,} no-op jobs, {WORKERS} workers")
    for name, figure in found.items():
        print(f"  {name:24} {figure:10,.0f} /s  {figure / base:5.2f} x Pool")
    print("10,000 submissions, and one job after the other")
    makers: dict[str, Callable[[], Executor]] = {
        "GridExecutor": lambda: GridExecutor(WORKERS, backend="local"),
        "ProcessPoolExecutor": lambda: ProcessPoolExecutor(WORKERS),
    }
    for name, make in makers.items():
        with make() as executor:
            gather(executor, 10)
            submitted = rate(lambda: gather(executor, 10_000), 10_000)
            middle, worst = round_trips(executor)
        print(
            f"  {name:24} {submitted:10,.0f} /s  p50 {middle:.2f} ms  p99 {worst:.2f} ms"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
