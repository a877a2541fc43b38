"""No-op jobs a second: one map of many, and many submissions, beside the peers.

Usage: ``python benchmarks/throughput.py [JOBS [ROUNDS]]``

The contenders take turns, several times over; printed are medians and our ratios to
them. Slow ones are given fewer jobs, submitted one by one. "Cold" is from the call to
the list, with the start of all processes; the rest is warm.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from importlib import util

from _figures import Rounds
from _peers import OURS, PEERS, STANDARD, WORKERS, installed

from gridmap import grid_map

SUBMITTED = 10_000


def rate(run: Callable[[], object], jobs: int) -> float:
    """Return jobs a second."""
    begin = time.perf_counter()
    run()
    return jobs / (time.perf_counter() - begin)


def gather(executor: Executor, jobs: int) -> list[int]:
    """Submit jobs one by one and wait for all."""
    futures = [executor.submit(abs, number) for number in range(jobs)]
    return [future.result() for future in futures]


def with_joblib(rounds: Rounds, jobs: int) -> None:
    """Measure joblib's batches, with new processes and again with the same."""
    from joblib import Parallel, delayed  # noqa: PLC0415 - need not be there
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415 - likewise

    get_reusable_executor().shutdown(wait=True)

    def run() -> None:
        with Parallel(WORKERS) as parallel:
            parallel(delayed(abs)(number) for number in range(jobs))

    rounds.add("joblib, cold", rate(run, jobs))
    rounds.add("joblib", rate(run, jobs))


def maps(rounds: Rounds, jobs: int) -> None:
    """Measure whole maps, once each."""
    inputs = range(jobs)

    def cold() -> None:
        grid_map(abs, inputs, backend="local", max_workers=WORKERS)

    rounds.add("grid_map, cold", rate(cold, jobs))
    with OURS.start() as executor:
        gather(executor, 100)
        rounds.add(
            "GridExecutor.map", rate(lambda: list(executor.map(abs, inputs)), jobs)
        )
    if util.find_spec("joblib") is not None:
        with_joblib(rounds, jobs)
    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(abs, range(100), 1)
        rounds.add(
            "Pool.map(chunksize=1)", rate(lambda: pool.map(abs, inputs, 1), jobs)
        )


def submissions(rates: Rounds) -> None:
    """Measure submission one by one, once each."""
    for peer in (OURS, *installed()):
        with peer.start() as executor:
            gather(executor, 100)
            jobs = peer.jobs
            rates.add(peer.name, rate(lambda: gather(executor, jobs), jobs))  # noqa: B023 - called at once


def main(jobs: int, rounds: int) -> None:
    """Measure and print."""
    mapped, submitted = Rounds(), Rounds()
    for _ in range(rounds):
        maps(mapped, jobs)
        submissions(submitted)
    print(f"  {jobs:,} no-op jobs in one map, {WORKERS} workers")
    for peer in PEERS[2:]:
        if peer.name in submitted:
            mapped.add(peer.name, submitted[peer.name])
    slow = dict.fromkeys([peer.name for peer in PEERS[2:]], 200.0)
    targets = {"joblib": 1.0, "joblib, cold": 1.0, "Pool.map(chunksize=1)": 3.0, **slow}
    mapped.print("grid_map, cold", targets, "/s", more=True)
    print(f"  up to {SUBMITTED:,} submissions, and their futures gathered")
    submitted.print(OURS.name, {STANDARD.name: 2.0}, "/s", more=True)


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 100_000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,  # noqa: PLR2004
    )
