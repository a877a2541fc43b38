"""What it costs to write down what is finished: one map with a journal, and without.

Usage: ``python benchmarks/resumable.py [JOBS [ROUNDS [DIRECTORY]]]``

JOBS (100,000) no-op jobs by two workers, from the call to the list, both ways in turns,
ROUNDS (5) times. DIRECTORY should be on the disk that runs are kept on; it is that of
temporary files unless given, and nothing stays there.
"""

import os
import sys
import tempfile
import time

from _figures import Rounds
from _peers import WORKERS

from gridmap import grid_map

OFF = "without a journal"
MOST = 1.15


def seconds(jobs: int, resume: str | None) -> float:
    """Return how long a map takes."""
    begin = time.perf_counter()
    grid_map(
        abs,
        range(jobs),
        backend="local",
        max_workers=WORKERS,
        resume=resume,
        quiet=True,
    )
    return time.perf_counter() - begin


def main(jobs: int, rounds: int, directory: str | None) -> None:
    """Let both take turns and print their medians."""
    taken = Rounds()
    with tempfile.TemporaryDirectory(dir=directory) as place:
        os.environ["XDG_STATE_HOME"] = place
        for number in range(rounds + 1):
            off, on = seconds(jobs, None), seconds(jobs, f"round{number}")
            if number:  # the first one imports what a journal needs
                taken.add(OFF, off)
                taken.add("with a journal", on)
    print(f"  {jobs:,} no-op jobs in one map, {WORKERS} workers")
    taken.print("with a journal", {OFF: MOST}, "s", more=False)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 100_000,
        int(given[1]) if len(given) > 1 else 5,
        given[2] if len(given) > 2 else None,  # noqa: PLR2004
    )
