"""Long searches: ``make simulate SEEDS=10000 [FIRST=0] [JOBS=2]``.

``python -m tests.simulation --seed 17`` tells the story of one seed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import sys
import time
import traceback
from typing import Final

import attrs
from tests.simulation.shrink import Recipe, shrink
from tests.simulation.simulation import Failure, Simulation, Tally, run_seed

_CHUNK: Final = 25
_TOLD: Final = 250
_KIND: Final = 120
"""So many characters of what a seed shows tell it from what others show."""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run seeds; tell the story of the first that shows a bug."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--keep-going", action="store_true", help="find them all")
    parser.add_argument("--seed", type=int, help="run this one only, and tell all")
    parser.add_argument("--with", nargs="*", default=[], metavar="NAME=VALUE",
                        dest="changes", help="change its plan")  # fmt: skip
    parser.add_argument("--without", type=int, nargs="*", default=[],
                        metavar="STROKE", help="leave out some of its faults")  # fmt: skip
    parser.add_argument("--shrink", action="store_true", help="look for a shorter one")
    arguments = parser.parse_args()
    if arguments.seed is None:
        return _search(arguments)
    recipe = Recipe.read(arguments.seed, arguments.changes, arguments.without)
    if arguments.shrink:
        recipe = shrink(recipe, say=_say)
    simulation = recipe.simulation()
    failure = run_seed(simulation)
    story = simulation.world.story
    _say("\n".join(story))
    if failure is not None:
        _tell(failure, recipe)
    return failure is not None


@attrs.frozen
class _Finding:
    """What went wrong with one seed, in a form that another process can read."""

    seed: int
    kind: str


def _search(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    stop = arguments.first + arguments.seeds
    total = Tally()
    kinds: dict[str, list[int]] = {}
    seeds = range(arguments.first, stop)
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        for done, (finding, tally) in enumerate(
            pool.map(_try, seeds, chunksize=_CHUNK), 1
        ):
            total.add(tally)
            if finding is not None:
                kinds.setdefault(finding.kind, []).append(finding.seed)
                _say(f"seed {finding.seed}: {finding.kind}")
                if not arguments.keep_going:
                    pool.shutdown(wait=False, cancel_futures=True)
                    return _found(finding)
            if done % 1000 == 0 and done < arguments.seeds:
                _say(f"{done} seeds in {time.monotonic() - started:.0f} s")
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        _say(f"{len(found):6} {kind!r}: {found[:8]}")
    took = time.monotonic() - started
    bad = sum(map(len, kinds.values()))
    _say(f"{arguments.seeds} seeds in {took:.0f} s, {bad} of them show a bug; {total}")
    return bool(kinds)


def _try(seed: int) -> tuple[_Finding | None, Tally]:
    simulation = Simulation(seed)
    failure = run_seed(simulation)
    if failure is None:
        return None, simulation.tally
    return _Finding(seed, failure.kind[:_KIND]), simulation.tally


def _found(finding: _Finding) -> int:
    recipe = Recipe(finding.seed)
    failure = recipe.run()
    if failure is None:
        _say(f"seed {finding.seed} does not replay; it showed {finding.kind}")
        return 1
    recipe = shrink(recipe, say=_say)
    failure = recipe.run() or failure
    _say("\n".join(failure.story[-_TOLD:]))
    _tell(failure, recipe)
    return 1


def _tell(failure: Failure, recipe: Recipe) -> None:
    traceback.print_exception(failure.error, limit=-3)
    _say(f"replay: python -m tests.simulation {recipe}")


if __name__ == "__main__":
    sys.exit(main())
