"""What a runner takes from a function that computes: heartbeats, output, watching.

Usage: ``python benchmarks/overhead.py [SECONDS [ROUNDS]]``; Linux only.

The same function computes for about SECONDS (10) in a plain process and in runners that
beat every ten seconds, or every second, or are watched; saying nothing, or printing a
thousand lines a second, or twenty thousand. Two figures of each, medians of ROUNDS (3)
in which they take turns:

slower  processor time of the function itself, beyond that in a plain process which
        prints as much into a file: what is lost wherever there is a core to spare;
beside  processor time that runner, zygote and driver have used meanwhile, for each
        second of the function's: what is lost besides where there is none.

Both with one function, and with as many as there are cores. Processor time is another
on a busy machine; "plain" says by how much it has differed from round to round.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

CORES = len(os.sched_getaffinity(0))
STEP = 100_000
LINE = "step 12345 of 99999: loss 0.123456, accuracy 0.987654, learning rate 0.0001"
CALM_S = 1.0
"""Until a run has begun, and nothing but the function goes on."""


class Way(NamedTuple):
    """How the function is run.

    Attributes:
        lines: What it prints at each step, of which it does some 200 a second.
        interval: Seconds between heartbeats; 0: in a plain process.
        watched: Whether what it prints is shown where the map was called.
    """

    lines: int
    interval: float = 10.0
    watched: bool = False


WAYS = {
    "plain": Way(0, 0.0),
    "plain, prints": Way(5, 0.0),
    "plain, floods": Way(100, 0.0),
    "beats every 10 s": Way(0),
    "beats every second": Way(0, 1.0),
    "prints": Way(5),
    "prints, watched": Way(5, watched=True),
    "floods": Way(100),
    "floods, watched": Way(100, watched=True),
}


def compute(steps: int, lines: int, beside: int, depth: int) -> tuple[float, float]:
    """Count, and print at each step.

    Args:
        steps: How often.
        lines: How many lines each time.
        beside: The driver.
        depth: Generations of processes below it that do not compute.

    Returns:
        Seconds of the processor that this has taken, and that those beside have.
    """

    def spent() -> float:
        # In nanoseconds, where times(2) has hundredths; see proc(5), schedstat.
        taken, family = 0, [beside]
        for generation in range(depth + 1):
            tasks = [
                task for pid in family for task in Path(f"/proc/{pid}/task").iterdir()
            ]
            for task in tasks:
                taken += int((task / "schedstat").read_text().split()[0])
            if generation < depth:
                texts = [(task / "children").read_text() for task in tasks]
                family = [int(pid) for text in texts for pid in text.split()]
        return taken / 1e9

    time.sleep(CALM_S)
    others, own = spent(), time.process_time()
    total = 0
    for _ in range(steps):
        for number in range(STEP):
            total += number & 7
        for _ in range(lines):
            print(LINE)
    own = time.process_time() - own
    return own, spent() - others


def run(way: Way, steps: int, functions: int) -> list[tuple[float, float]]:
    """Run so many functions at once; return what each has said."""
    arguments = [steps, way.lines, os.getpid()]
    if not way.interval:
        with multiprocessing.Pool(functions) as pool:
            return pool.starmap(compute, [(*arguments, 0)] * functions, 1)
    from gridmap import grid_map  # noqa: PLC0415 - the plain process does not need it

    return grid_map(
        compute,
        [[*arguments, 1]] * functions,
        backend="local",
        max_workers=functions,
        live_output=way.watched,
        settings={"heartbeat_interval": way.interval},
        quiet=True,
    )


def in_a_process(name: str, steps: int, functions: int) -> tuple[float, float]:
    """Return the function's own time, and that of others for each second of it."""
    argv = [sys.executable, __file__, "run", name, str(steps), str(functions)]
    with tempfile.TemporaryFile() as printed, tempfile.NamedTemporaryFile() as said:
        subprocess.run(
            [*argv, said.name], check=True, stdout=printed, stderr=subprocess.STDOUT
        )
        told = json.loads(Path(said.name).read_text())
    own = statistics.fmean(one for one, _ in told)
    return own, statistics.fmean(others for _, others in told) / (own * functions)


def measure(steps: int, functions: int, rounds: int) -> None:
    """Let the ways take turns, and print the figures of each."""
    own: dict[str, list[float]] = {name: [] for name in WAYS}
    beside: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, figures in own.items():
            took, others = in_a_process(name, steps, functions)
            figures.append(took)
            beside[name].append(others)
    plain = {
        way.lines: statistics.median(own[name])
        for name, way in WAYS.items()
        if not way.interval
    }
    print(f"  {functions} at once on {CORES} cores")
    for name, way in WAYS.items():
        middle = statistics.median(own[name])
        if not way.interval:
            spread = (max(own[name]) - min(own[name])) / middle
            print(f"    {name:20} {middle:6.2f} s, rounds differ by {spread:6.2%}")
            continue
        slower = middle / plain[way.lines] - 1
        others = statistics.median(beside[name])
        print(f"    {name:20} slower {slower:6.2%}  beside {others:6.3%}", flush=True)


def main(seconds: float, rounds: int) -> None:
    """Find out how many steps take so long, and measure."""
    took, _ = in_a_process("plain", 100, 1)
    steps = int(100 * seconds / took)
    for functions in (1, CORES):
        measure(steps, functions, rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        called, count, many, told_in = sys.argv[2:]
        Path(told_in).write_text(json.dumps(run(WAYS[called], int(count), int(many))))
    else:
        main(
            float(sys.argv[1]) if len(sys.argv) > 1 else 10.0,
            int(sys.argv[2]) if len(sys.argv) > 2 else 3,  # noqa: PLR2004
        )
