"""Memory of a run's processes, and of the driver for each job that has ended.

Usage: ``python benchmarks/memory.py [JOBS]``; Linux only.

The first part is the proportional set size (PSS) of a process and all below it, with
two workers that have worked. The second maps a no-op over generators of 100,000 and of
JOBS (1,000,000) inputs, each in a new process: what the larger one's peak is higher by
is what a finished job costs, its result in the list and the list included.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
from _figures import Rounds
from _peers import OURS, WORKERS, installed

TARGETS = {"dask.distributed": 0.5}
FEW = 100_000
MIB = 2**20


def tree_pss(name: str) -> float:
    """Return the PSS of all processes of one contender, in MiB."""
    program = str(Path(__file__).parent / "_peers.py")
    with subprocess.Popen(
        [sys.executable, program, name, "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        said = [process.stdout.readline() if process.stdout else b"" for _ in range(2)]
        if not said[1]:
            message = f"{name} did not start"
            raise RuntimeError(message)
        root = psutil.Process(process.pid)
        tree = [root, *root.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in tree) / MIB


def map_generator(jobs: int) -> None:
    """Map over a generator; print jobs a second, and the peak of this process."""
    from gridmap import grid_map  # noqa: PLC0415 - only in a process of its own

    inputs = (number for number in range(jobs))
    begin = time.perf_counter()
    results = grid_map(abs, inputs, backend="local", max_workers=WORKERS)
    taken = time.perf_counter() - begin
    if results != list(range(jobs)):
        message = "a wrong result"
        raise RuntimeError(message)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(jobs / taken, peak)


def in_a_process(jobs: int) -> tuple[float, float]:
    """Return jobs a second and the driver's peak in bytes, of a map in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "map", str(jobs)],
        capture_output=True,
        text=True,
        check=True,
    )
    rate, peak = map(float, done.stdout.split())
    return rate, peak


def main(jobs: int) -> None:
    """Measure and print."""
    print(f"  all processes of a run with {WORKERS} workers")
    trees = Rounds()
    for peer in (OURS, *installed()):
        trees.add(peer.name, tree_pss(peer.name))
    trees.print(OURS.name, TARGETS, "MiB", more=False)
    few, small = in_a_process(FEW)
    many, large = in_a_process(jobs)
    print("  no-op jobs from a generator")
    for count, rate, peak in ((FEW, few, small), (jobs, many, large)):
        print(
            f"    {count:12,} jobs {rate:12,.0f} /s, driver's peak {peak / MIB:,.0f} MiB"
        )
    print(
        f"    {(large - small) / (jobs - FEW):,.0f} bytes a job (target: under 1,000)"
    )
    print(f"    rate {many / few:.2f} x that of {FEW:,} jobs (target: 1)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["map"]:
        map_generator(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
