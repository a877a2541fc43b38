"""One no-op job after the other, warm, beside the peers.

Usage: ``python benchmarks/latency.py [ROUNDS]``
"""

import statistics
import sys
import time
from concurrent.futures import Executor

from _figures import Rounds
from _peers import OURS, installed

TRIPS = 300
WARM_S = 2.0
"""How long round trips go uncounted: until all that a peer starts is up, and at rest."""

TARGETS = {
    "ProcessPoolExecutor": 2.0,
    "dask.distributed": 0.1,
    "Parsl": 0.2,
    "Ray": 0.2,
}


def trips(executor: Executor) -> tuple[float, float]:
    """Return median and 99th percentile of round trips, in milliseconds."""
    warm = time.perf_counter() + WARM_S
    while time.perf_counter() < warm:
        executor.submit(abs, -1).result()
    taken = []
    for number in range(TRIPS):
        begin = time.perf_counter()
        executor.submit(abs, number).result()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


def main(rounds: int) -> None:
    """Measure and print."""
    middle, worst = Rounds(), Rounds()
    for _ in range(rounds):
        for peer in (OURS, *installed()):
            with peer.start() as executor:
                p50, p99 = trips(executor)
            middle.add(peer.name, p50)
            worst.add(peer.name, p99)
    for name, figures in (("p50", middle), ("p99", worst)):
        print(f"  round trip of one job, {name}")
        figures.print(OURS.name, TARGETS, "ms", more=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
