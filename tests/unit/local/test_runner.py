"""What a runner's end tells, and what it does not."""

import os
import signal
from collections.abc import Callable

import pytest

from gridmap.backend import Autopsy, Ending, Limit
from gridmap.testing import eventually
from gridmap_local import processes
from gridmap_local.runner import Runner

Launch = Callable[..., Runner]


def end(runner: Runner) -> Autopsy:
    eventually(runner.check, within_s=10, what="the end")
    autopsy = runner.autopsy()
    assert autopsy is not None
    return autopsy


@pytest.mark.parametrize("status", [0, 3, 255])
def test_exit_status_is_told(launch: Launch, status: int) -> None:
    """The status is the program's own, and so was the end."""
    autopsy = end(launch(f"exit {status}"))
    assert (autopsy.exit_status, autopsy.signal) == (status, None)
    assert autopsy.ending is Ending.ITSELF
    assert autopsy.node == os.uname().nodename


@pytest.mark.parametrize(
    ("number", "ending"),
    [(signal.SIGSEGV, Ending.ITSELF), (signal.SIGKILL, None), (signal.SIGTERM, None)],
    ids=["crash", "kill", "term"],
)
def test_signals_are_told(
    launch: Launch, number: signal.Signals, ending: Ending | None
) -> None:
    """A crash is the program's own; who sent any other signal is not known."""
    autopsy = end(launch(f"kill -{number:d} $$"))
    assert (autopsy.exit_status, autopsy.signal) == (None, number)
    assert autopsy.ending is ending
    assert number.name in autopsy.text


def test_order_to_end_is_remembered(launch: Launch) -> None:
    """An orderly exit after a kill is still a kill."""
    runner = launch("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    runner.ordered = Ending.PERSON
    os.kill(runner.pid, signal.SIGTERM)
    autopsy = end(runner)
    assert (autopsy.ending, autopsy.exit_status) == (Ending.PERSON, 0)
    assert "killed through gridmap" in autopsy.text


def test_end_of_walltime_is_remembered(launch: Launch) -> None:
    """The limit that was hit is named."""
    runner = launch()
    runner.ordered = Ending.SCHEDULER_LIMIT
    os.kill(runner.pid, signal.SIGKILL)
    autopsy = end(runner)
    assert (autopsy.ending, autopsy.limit) == (Ending.SCHEDULER_LIMIT, Limit.TIME)


def test_the_living_have_no_autopsy(launch: Launch) -> None:
    """Nothing is told before the end, even if it was ordered."""
    runner = launch()
    runner.ordered = Ending.PERSON
    assert not runner.check()
    assert runner.autopsy() is None


def test_status_taken_by_others_is_unknown(launch: Launch) -> None:
    """Code that waits for any child costs us the status, not the truth."""
    runner = launch("exit 3")
    os.waitpid(runner.pid, 0)
    autopsy = end(runner)
    assert (autopsy.exit_status, autopsy.signal, autopsy.ending) == (None, None, None)
    assert "other code" in autopsy.text


def test_peak_is_the_runners_own(launch: Launch) -> None:
    """A program that needs more than we ever had is measured."""
    runner = launch("head -c 64M /dev/zero | tail -c 64M >/dev/null")
    runner.starter_peak = 2**20
    autopsy = end(runner)
    assert autopsy.peak_memory is not None
    assert autopsy.peak_memory >= 64 * 2**20


def test_our_peak_is_not_the_runners(launch: Launch) -> None:
    """The kernel hands our own peak on to a child; that is not reported."""
    ballast = bytearray(b"x" * 2**26)
    runner = launch("exit 0")
    assert runner.starter_peak >= len(ballast)
    assert end(runner).peak_memory is None


def test_end_of_a_strangers_child_is_seen(launch: Launch) -> None:
    """Of a runner that another process started only its absence is known."""
    child = launch()
    taken_over = Runner(handle=child.handle, pid=child.pid, born=child.born)
    assert not taken_over.check()
    os.kill(child.pid, signal.SIGKILL)
    autopsy = end(taken_over)
    assert (autopsy.exit_status, autopsy.ending) == (None, None)


def test_successor_of_a_number_is_not_the_runner(launch: Launch) -> None:
    """A living process with another birth does not keep a runner alive."""
    child = launch()
    other = Runner(handle=child.handle, pid=child.pid, born=child.born - 1)
    assert other.check()
    assert processes.same(child.pid, child.born)
