"""Many runners on one monitor: heartbeats, memory, and whether jobs still flow.

Usage: ``python benchmarks/fleet.py [RUNNERS [SECONDS [JOBS]]]``; Linux only.

RUNNERS (10,000) simulated runners with real, encrypted TCP sockets, in other processes,
beat every ten seconds for SECONDS (60), each with a job that runs. Then they answer at
once, and JOBS (300,000) more go through them; beside it, through two of them. The
runners take processor time of the same machine, so that the driver's own time a job
says more than jobs a second.
"""

import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _fleet_backend
import psutil
from _fleet_backend import FleetBackend

from gridmap import grid_map

INTERVAL_S = 10.0
KIB = 2**10
ME = psutil.Process()


class Stopwatch:
    """Time, and processor time of this process, since it was made."""

    def __init__(self) -> None:
        self._begin, self._used = time.perf_counter(), sum(ME.cpu_times()[:2])

    def read(self) -> tuple[float, float]:
        """Return seconds, and seconds of the processor."""
        used = sum(ME.cpu_times()[:2]) - self._used
        return time.perf_counter() - self._begin, used


class FleetMap:
    """One map, whose first jobs are held by its runners until they are to flow."""

    def __init__(self, runners: int, jobs: int) -> None:
        self._runners, self._jobs = runners, jobs
        self._flowing, self._asked = threading.Event(), threading.Event()
        self._results: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._asked.wait()

    def _inputs(self) -> Iterator[int]:
        yield from range(self._runners - 1)
        time.sleep(0.2)  # what comes late is handed on at once, with all before it
        self._asked.set()
        yield 0
        self._flowing.wait()
        yield from range(self._jobs)

    def _run(self) -> None:
        self._results = grid_map(
            abs,
            self._inputs(),
            backend=_fleet_backend.NAME,
            max_workers=self._runners,
            settings={"heartbeat_interval": INTERVAL_S},
            quiet=True,
        )

    def wait_for_runners(self) -> None:
        """Return once all were let in."""
        while FleetBackend.started < self._runners:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                sys.exit("the map was over before its runners came")
        FleetBackend.told()

    def flow(self) -> list[dict[str, Any]]:
        """Run all that is left; return what the runners tell of the time before."""
        FleetBackend.flow()
        self._flowing.set()
        calm = FleetBackend.told()
        self._thread.join()
        if len(self._results) != self._runners + self._jobs:
            sys.exit("results are missing")
        FleetBackend.end()
        return calm


def measure(runners: int, seconds: float, jobs: int) -> None:
    """Run one map; print its figures, the last line for `main`."""
    before, coming = ME.memory_info().rss, Stopwatch()
    fleet = FleetMap(runners, jobs)
    fleet.wait_for_runners()
    print(f"    all let in after {coming.read()[0]:.1f} s")
    time.sleep(INTERVAL_S)
    beating = Stopwatch()
    time.sleep(seconds)
    took, used = beating.read()
    print(f"    {used / took:.1%} of a core in {took:.0f} s of heartbeats")
    memory = (ME.memory_info().rss - before) / runners
    print(f"    {memory / KIB:.1f} KiB of the driver's memory a runner and its job")
    flowing = Stopwatch()
    calm = fleet.flow()
    took, used = flowing.read()
    beats, echoed = (sum(one[key] for one in calm) for key in ("beats", "echoed"))
    slowest = max(one["slowest"] for one in calm)
    print(
        f"    {beats} beats, {beats - echoed} of them not answered yet, the slowest "
        f"answer after {slowest:.2f} s"
    )
    print(jobs / took, 1e6 * used / jobs)


def in_a_process(runners: int, seconds: float, jobs: int) -> tuple[float, float]:
    """Return jobs a second, and microseconds of the driver a job."""
    print(f"  {runners:,} runners")
    argv = [sys.executable, __file__, "measure", str(runners), str(seconds), str(jobs)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    *figures, last = done.stdout.splitlines()
    print("\n".join(figures))
    rate, used = map(float, last.split())
    print(f"    {rate:,.0f} jobs/s, {used:.1f} us of the driver a job", flush=True)
    return rate, used


def main(runners: int, seconds: float, jobs: int) -> None:
    """Measure many and two, and compare."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < runners + 1000:
        print(f"  no room for {runners:,} runners: the hard limit of files is {hard:,}")
        return
    many, dear = in_a_process(runners, seconds, jobs)
    pair, cheap = in_a_process(2, 2.0, jobs)
    print(f"  {many / pair:.2f} x a pair's jobs/s, {dear / cheap:.2f} x its time a job")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        with tempfile.TemporaryDirectory() as place:
            _fleet_backend.install(Path(place))
            measure(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
    else:
        given = [float(word) for word in sys.argv[1:]]
        fleet, wait, more = given + [10_000, 60, 300_000][len(given) :]
        main(int(fleet), wait, int(more))
