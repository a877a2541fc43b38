"""Maps on real clusters of two nodes, beside the pilots and job arrays of others.

Usage: ``python benchmarks/clusters.py [ROUNDS] [sge|slurm ...]``

As root on Debian it brings up the clusters of ``tests/cluster`` (unless they are up)
and runs itself on their head node, as their user; on such a head node it measures. All
that is installed must be readable for that user: an environment below root's home is
not, nor one made of such a Python.

200 jobs of 0.1 s in 8 slots take 2.5 s at best. What exceeds that is overhead.
"""

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path

from _figures import Rounds
from _pilots import OPEN, OURS, PEERS, SECONDS, WARM, WORKERS, Contender

HERE = Path(__file__).resolve().parent
CLUSTER = HERE.parent / "tests" / "cluster"
ON_CLUSTER = "GRIDMAP_TEST_CLUSTER"
INSTANCE = "GRIDMAP_CLUSTER_INSTANCE"

MANY, FEW = 200, 8
IDEAL_S = MANY * SECONDS / WORKERS
COLD_S, FEW_S = 4.0, 2.0
SHARE, WARM_SHARE = 0.5, 1.1
LONGEST_S = 150.0

QUEUES = {
    "slurm": ("squeue", "--noheader", "--me"),
    "sge": ("qstat", "-u", "*"),
}
SETTINGS = {
    "slurm": ("scontrol", "show", "config"),
    "sge": ("qconf", "-ssconf"),
}
SHOWN = (
    "SLURM_VERSION",
    "SchedulerType",
    "SchedulerParameters",
    "SelectType ",
    "TaskPlugin ",
    "schedule_interval",
    "flush_submit_sec",
    "flush_finish_sec",
)


def main(arguments: Sequence[str]) -> int:
    """Measure here, on the clusters' head node, or say why not."""
    wanted = [name for name in arguments if name in QUEUES] or list(QUEUES)
    numbers = [int(word) for word in arguments if word.isdigit()]
    if ON_CLUSTER in os.environ:
        for scheduler in wanted:
            measure(scheduler, numbers[0] if numbers else 3)
        return 0
    if os.getuid() != 0 or shutil.which("sbatch") is None:
        print("  left out: this takes root, and `python3 tests/cluster install`")
        return 0
    return on_head(arguments, wanted)


def on_head(arguments: Sequence[str], wanted: Sequence[str]) -> int:
    """Run this on the clusters' head node; leave them as they were."""
    there = cluster("status", quiet=True) == 0
    if not there and cluster("up", *wanted) != 0:
        return 1
    try:
        compile_ours()
        with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
            shutil.chown(place, "gmtest")
            python = [sys.executable, "-B", str(HERE / "clusters.py")]
            return cluster("run", "--cwd", place, "--", *python, *arguments)
    finally:
        if not there:
            cluster("down")


def compile_ours() -> None:
    """Compile our modules, as an installer does: runners may not, and would each time."""
    for name in ("gridmap", "gridmap_sge", "gridmap_slurm"):
        spec = util.find_spec(name)
        for place in spec.submodule_search_locations or () if spec else ():
            compileall.compile_dir(place, quiet=2)


def cluster(*command: str, quiet: bool = False) -> int:
    """Run one command of tests/cluster; return its status."""
    output = subprocess.DEVNULL if quiet else None
    program = [sys.executable, str(CLUSTER), *command]
    return subprocess.run(program, check=False, stdout=output, stderr=output).returncode


def measure(scheduler: str, rounds: int) -> None:
    """Measure and print."""
    print(f"---- {scheduler}, {WORKERS} slots; load {load()}")
    for line in settings(scheduler):
        print(f"    {line}")
    peers = list(installed(scheduler))
    cold, warm, few = Rounds(), Rounds(), Rounds()
    for number in range(rounds):
        for one in (OURS, OPEN, WARM, *peers):
            if one.slow and number:
                continue
            for jobs, figures in ((MANY, cold), (FEW, few)):
                taken = run(one, scheduler, jobs)
                if taken is None:
                    continue
                figures.add(one.name, taken[0])
                if jobs == MANY and one.stays:
                    warm.add(one.name, taken[1])
    report(cold, warm, few, [peer.name for peer in peers if peer.stays])
    print(f"    load {load()}")


def report(cold: Rounds, warm: Rounds, few: Rounds, pilots: Sequence[str]) -> None:
    """Print medians, and whether ours are what they should be."""
    print(f"  {MANY} jobs of {SECONDS} s, nothing being started yet")
    best = min((cold[name] for name in pilots if name in cold), default=None)
    for name in cold:
        said = f"overhead {cold[name] - IDEAL_S:5.2f} s"
        if name in (OURS.name, OPEN.name, WARM.name):
            said += f", {met(cold[name] < COLD_S)} (below {COLD_S:g} s)"
            if best is not None:
                share = (cold[name] - IDEAL_S) / (best - IDEAL_S)
                said += f"; {share:.2f} of the best pilot's, {met(share <= SHARE)}"
        line(name, cold[name], said)
    print("  the same once more with the same executor")
    for name in warm:
        ratio = warm[name] / IDEAL_S
        said = f"{ratio:.2f} x the ideal"
        if name == WARM.name:
            said += f", {met(ratio <= WARM_SHARE)} (at most {WARM_SHARE:g})"
        line(name, warm[name], said)
    print(f"  {FEW} jobs of {SECONDS} s, nothing being started yet")
    for name in few:
        ours = name in (OURS.name, OPEN.name, WARM.name)
        said = f"{met(few[name] < FEW_S)} (below {FEW_S:g} s)" if ours else ""
        line(name, few[name], said)


def met(yes: bool) -> str:
    """Return how we call it."""
    return "met" if yes else "NOT MET"


def line(name: str, seconds: float, said: str) -> None:
    """Print one figure."""
    print(f"    {name:32} {seconds:7.2f} s  {said}", flush=True)


def run(one: Contender, scheduler: str, jobs: int) -> tuple[float, float] | None:
    """Let a contender run in an empty cluster; None if it did not get there."""
    await_empty(scheduler)
    command = [sys.executable, str(HERE / "_pilots.py"), one.name, scheduler, str(jobs)]
    try:
        done = subprocess.run(
            command,
            check=True,
            timeout=LONGEST_S,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        print(f"    {one.name}: {jobs} jobs were not done in {LONGEST_S:g} s")
        return None
    except subprocess.CalledProcessError as error:
        print(f"    {one.name}: {jobs} jobs failed: {error.stderr.strip()[-300:]}")
        return None
    cold, warm = map(float, done.stdout.split()[-2:])
    return cold, warm


def await_empty(scheduler: str) -> None:
    """Wait until no job of the contender before is left, and some time longer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        shown = subprocess.run(
            QUEUES[scheduler], capture_output=True, text=True, check=True
        )
        if not shown.stdout.strip():
            break
        time.sleep(0.5)
    time.sleep(2.0)  # the nodes have yet to tell that their slots are free


def settings(scheduler: str) -> Iterator[str]:
    """Yield what the cluster says of how soon it starts jobs."""
    shown = subprocess.run(
        SETTINGS[scheduler], capture_output=True, text=True, check=True
    )
    for words in shown.stdout.splitlines():
        if words.startswith(SHOWN):
            yield " ".join(words.split())


def installed(scheduler: str) -> Iterator[Contender]:
    """Yield the peers that are here; says which are not."""
    for peer in PEERS:
        if scheduler not in peer.schedulers:
            continue
        if util.find_spec(peer.module) is None:
            print(f"    not installed, so left out: {peer.name}")
            continue
        print(f"    {peer.name} {metadata.version(peer.name.lower())}")
        yield peer


def load() -> str:
    """Return the machine's load."""
    return f"{statistics.fmean(os.getloadavg()[:1]):.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
