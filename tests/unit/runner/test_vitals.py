"""CPU, memory and I/O of real process trees, as a runner measures them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridmap.runner import vitals as measuring
from gridmap.runner.actions import Vitals
from gridmap.runner.vitals import Meter
from gridmap.testing import eventually

TREE = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
print("up", flush=True)
sys.stdin.readline()
child.communicate()
print("alone", flush=True)
sys.stdin.readline()
"""

GREEDY = """
import os, sys, time
held = b"x" * (64 << 20)
with open(os.devnull, "wb") as sink:
    sink.write(held)
while time.process_time() < 0.2:
    sum(range(100_000))
sys.stdin.read()
"""


@contextmanager
def tree(child: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that has a child."""
    process = subprocess.Popen(
        [sys.executable, "-c", TREE, child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        try:
            yield process
        finally:
            process.kill()


def at_work(meter: Meter) -> Vitals:
    """Return what is measured once the child has done what it does."""

    def measure() -> Vitals | None:
        vitals = meter.measure()
        worked = (vitals.written or 0) >= 64 << 20 and vitals.cpu > 0.05
        return vitals if worked and vitals.rss > 64 << 20 else None

    found = eventually(measure, within_s=10.0, what="the child at work", gap_s=0.05)
    assert found is not None
    return found


def say(process: subprocess.Popen[str]) -> None:
    """Let the process go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.parametrize("lists", [True, False], ids=["kernel's lists", "psutil"])
def test_the_whole_tree_counts(monkeypatch: pytest.MonkeyPatch, lists: bool) -> None:
    """A child's memory, processor time and I/O are its parent's runner's business."""
    if not lists:
        monkeypatch.setattr(measuring, "_LISTS", Path("/nonexistent"))
    with tree(GREEDY) as process:
        meter = Meter(process.pid)
        vitals = at_work(meter)
        assert (vitals.written or 0) >= 64 << 20
        assert vitals.processes == 2
        assert vitals.peak >= vitals.rss


def test_what_an_ended_child_used_is_kept() -> None:
    """Sums never fall, and the peak stays, when a process ends with what it used."""
    with tree(GREEDY) as process:
        meter = Meter(process.pid)
        before = at_work(meter)
        say(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "alone\n"
        after = meter.measure()
        assert after.processes == 1
        assert after.rss < before.rss
        assert after.peak >= before.peak
        assert after.cpu >= before.cpu


def test_children_of_any_thread_count_and_so_do_theirs() -> None:
    """Who started what is known of each thread by itself."""
    nest = (
        "import subprocess, sys, threading\n"
        "argv = [sys.executable, '-c', 'print(1, flush=True); input()']\n"
        "run = lambda: subprocess.run(argv)\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {nest!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        assert Meter(process.pid).measure().processes == 3
        process.communicate(b"go\n")


def test_a_process_that_is_gone_is_no_error() -> None:
    """The runner measures a worker that may die at any time."""
    with tree("") as process:
        meter = Meter(process.pid)
    vitals = meter.measure()
    assert (vitals.rss, vitals.processes) == (0, 0)
