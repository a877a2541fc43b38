"""One large array that 64 jobs share, to eight runners on one node of another host.

Usage: ``python benchmarks/one_node.py [MEGABYTES [ROUNDS]]``, as root.

Runners come over TCP and see no process but their own (`_hosts_backend`), but share a
network, as on a node. Printed are medians of the time from call to result with runners
that are up, the bytes that crossed the loopback interface, and the most memory that
runners and workers hold of such frames after a round, each memory counted once.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from _hosts_backend import NAME, install

from gridmap import GridExecutor

RUNNERS, JOBS = 8, 64


def look(number: int, table: Any) -> tuple[int, int]:
    """Read the table, as a job does."""
    threading.Event().wait(0.02)  # so that every runner has some
    return os.getppid() + number, int(table[number])


def crossed() -> int:
    """Return the bytes that came in over the loopback interface so far."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (line,) = (one for one in lines if one.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[0])


def held(user: int = os.geteuid()) -> int:
    """Return the bytes of frames that processes of this user hold, but for this one."""
    sizes = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is gone
            if int(process.name) == os.getpid() or process.stat().st_uid != user:
                continue
            for link in process.glob("fd/*"):
                if "gridmap-frame" in str(link.readlink()):
                    status = link.stat()
                    sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def measure(megabytes: int, rounds: int, largest: int) -> str:
    """Share one array after the other; return medians.

    Args:
        megabytes: Of each array.
        rounds: How many.
        largest: Of its numbers, which are whole: small ones can be compressed.
    """
    seconds, wire, memory = [], [], 0
    settings: dict[str, object] = {"host": "127.0.0.1"}
    with GridExecutor(RUNNERS, backend=NAME, settings=settings) as executor:
        list(executor.map(time.sleep, [0.5] * RUNNERS))
        for number in range(rounds + 1):
            random = np.random.default_rng(number)
            table = random.integers(0, largest, megabytes * 125_000)
            before, begin = crossed(), time.perf_counter()
            found = list(executor.map(look, range(JOBS), shared={"table": table}))
            taken = time.perf_counter() - begin
            if [value for _, value in found] != list(table[:JOBS]):
                sys.exit("a job has read another table")
            if number:  # the first round warms up
                seconds.append(taken)
                wire.append((crossed() - before) / 1e6)
                memory = max(memory, held())
    return (
        f"{statistics.median(seconds):.2f} s, {statistics.median(wire):.0f} MB over "
        f"the wire, {memory / 1e6:.0f} MB held at most, of {rounds + 1} arrays in turn"
    )


def main(megabytes: int, rounds: int) -> None:
    """Measure arrays that can be compressed, and such that cannot."""
    with tempfile.TemporaryDirectory() as directory:
        install(Path(directory))
        print(
            f"{JOBS} jobs of {RUNNERS} runners share {megabytes} MB, "
            f"load {os.getloadavg()[0]:.0f}"
        )
        for name, largest in (("random", 2**63), ("compressible", 200)):
            print(f"    {name:13} {measure(megabytes, rounds, largest)}", flush=True)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [50, 3][len(given) :]))
