"""The cost of a job as jobs, runners or payloads grow, beside the peers.

Usage: ``python benchmarks/growth.py [--quick] [--only WHAT] [FILE]``; Linux only.

Needs numpy. FILE (``docs/measured/growth.json``) is what the documentation draws its
curves of; with ``--only jobs``, ``runners``, ``fleet`` or ``payload`` the others stay in
it as they are. Each contender grows in a process of its own, with workers that are up,
until a point would take over half a minute; they take turns, three times over, and what has
taken long is not done again. Figures are medians. About twelve minutes on two quiet
cores; ``--quick`` takes two, and its figures are worth as much.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fleet
from _growing import ANEW, WAYS

NAMES = {
    "gridmap": "gridmap-core",
    "multiprocessing": "",
    "joblib": "joblib",
    "ProcessPoolExecutor": "",
    "dask.distributed": "distributed",
    "Parsl": "parsl",
    "Ray": "ray",
}
"""Contenders, and the distribution of each that is none of Python's own."""
SIZES = {
    "jobs": [10**n for n in range(2, 7)],
    "runners": [1, 2, 4, 8, 16],
    "payload": [1, 100, 10_000, *(10**n for n in range(5, 10))],
    "fleet": [10, 100, 1_000, 10_000],
}
QUICK = {
    "jobs": [100, 1_000, 10_000],
    "runners": [1, 4],
    "payload": [1, 10_000, 10**7],
    "fleet": [10, 1_000],
}
ROUNDS = 3
LONG_S = 12.0
"""A contender whose turn has taken longer, its start included, takes no other."""
PATIENCE_S = 120.0
"""What a turn may take, start and end included."""
FLEET_JOBS = 100_000
DEFAULT = Path(__file__).parents[1] / "docs" / "measured" / "growth.json"

Curve = dict[int, list[float]]


def installed() -> dict[str, str]:
    """Return the contenders that are here, and their versions."""
    found = {}
    for name, distribution in NAMES.items():
        try:
            version = distribution and importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            print(f"  not installed, so left out: {name}")
        else:
            found[name] = version or f"Python {platform.python_version()}"
    return found


@contextlib.contextmanager
def child(what: str, name: str, sizes: list[int]) -> Iterator[Iterator[str]]:
    """Have a contender grow; yields its lines. It is ended when it takes too long."""
    program = str(Path(__file__).parent / "_growing.py")
    argv = [sys.executable, program, what, name, *map(str, sizes)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=quiet, text=True, start_new_session=True
    ) as process:
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(int(PATIENCE_S))
        try:
            yield (line for line in process.stdout or ())
        finally:
            process.wait()
            signal.alarm(0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        print(f"  {what}: {name} went no further (status {process.returncode})")


def grow(
    what: str, names: list[str], sizes: list[int], rounds: int
) -> dict[str, Curve]:
    """Measure all contenders in turn; return every figure of each."""
    curves: dict[str, Curve] = {name: {} for name in names}
    left = list(names)
    for _ in range(rounds):
        for name in tuple(left):
            begin = time.perf_counter()
            # With other runners it is another start, so a process for each.
            for some in [[n] for n in sizes] if what == "runners" else [sizes]:
                with child(what, name, some) as lines:
                    for line in lines:
                        size, figure = line.split()
                        curves[name].setdefault(int(size), []).append(float(figure))
            taken = time.perf_counter() - begin
            print(f"  {what}: {name} took {taken:.0f} s", flush=True)
            if taken > LONG_S * (len(sizes) if what == "runners" else 1):
                left.remove(name)
    return curves


def medians(curve: Curve) -> dict[str, float]:
    """Return the median of each size, in three digits."""
    return {
        str(size): float(f"{statistics.median(figures):.3g}")
        for size, figures in sorted(curve.items())
    }


def fly(sizes: list[int]) -> dict[str, dict[str, float]]:
    """Let jobs flow through simulated runners; the driver's own time beside it."""
    wall: Curve = {}
    used: Curve = {}
    for size in sizes:
        rate, driver_us = fleet.in_a_process(size, 1.0, FLEET_JOBS)
        wall[size], used[size] = [1 / rate], [driver_us / 1e6]
    return {"all": medians(wall), "driver": medians(used)}


def main() -> None:
    """Measure, and write what was asked for into the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=[*WAYS, "fleet"])
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    given = parser.parse_args()
    sizes, rounds = (QUICK, 1) if given.quick else (SIZES, ROUNDS)
    found = installed()
    kept: dict[str, Any] = {}
    if given.file.exists():
        kept = json.loads(given.file.read_text())
    kept |= {"versions": found, "cores": len(os.sched_getaffinity(0))}
    curves, loads = kept.setdefault("curves", {}), kept.setdefault("load", {})
    begin = time.perf_counter()
    for what in [given.only] if given.only else [*WAYS, "fleet"]:
        loads[what] = [round(os.getloadavg()[1], 1)]
        if what == "fleet":
            curves[what] = fly(sizes[what])
        else:
            names = [ANEW, *found] if what == "jobs" else list(found)
            grown = grow(what, names, sizes[what], rounds)
            curves[what] = {name: medians(curve) for name, curve in grown.items()}
        loads[what].append(round(os.getloadavg()[1], 1))
        given.file.parent.mkdir(parents=True, exist_ok=True)
        given.file.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"  {given.file} was written, after {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
