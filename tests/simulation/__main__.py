"""Long searches: ``python -m tests.simulation --seeds 10000 [--seed 17] [--jobs 4]``."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import sys
import time
import traceback
from pathlib import Path

from tests.simulation.simulation import Failure, run_seed

_CHUNK = 25
_TOLD = 250


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> int:
    """Run seeds; tell the story of the first that shows a bug."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one only, and tell all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--keep-going", action="store_true", help="find them all")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        failure = run_seed(arguments.seed)
        if failure is not None:
            _tell(failure, len(failure.story))
        return failure is not None
    return _search(arguments)


def _search(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    stop = arguments.first + arguments.seeds
    failures: dict[str, list[int]] = {}
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        for failure in pool.map(_try, range(arguments.first, stop), chunksize=_CHUNK):
            if failure is None:
                continue
            seed, text = failure
            failures.setdefault(text[:100], []).append(seed)
            if not arguments.keep_going:
                pool.shutdown(wait=False, cancel_futures=True)
                told = run_seed(seed)
                assert told is not None, f"seed {seed} does not replay"
                _tell(told, _TOLD)
                return 1
    for text, seeds in sorted(failures.items(), key=lambda item: -len(item[1])):
        _say(f"{len(seeds):6} {text!r}: {seeds[:8]}")
    took = time.monotonic() - started
    bad = sum(map(len, failures.values()))
    _say(f"{arguments.seeds} seeds in {took:.0f} s, {bad} of them show a bug")
    return bool(failures)


def _try(seed: int) -> tuple[int, str] | None:
    failure = run_seed(seed)
    if failure is None:
        return None
    frames = traceback.extract_tb(failure.error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return seed, f"{place} {type(failure.error).__name__} {failure.error}"


def _tell(failure: Failure, lines: int) -> None:
    _say("\n".join(failure.story[-lines:]))
    traceback.print_exception(failure.error)
    _say(f"replay: python -m tests.simulation --seed {failure.seed}")


if __name__ == "__main__":
    sys.exit(main())
