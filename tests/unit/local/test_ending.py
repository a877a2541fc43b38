"""Endings are complete, quick where they can be, and hit nobody else."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gridmap.testing import eventually
from gridmap_local import ending, processes
from gridmap_local.runner import Runner

Launch = Callable[..., Runner]

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
DAEMON = """\
(setsid sh -c 'echo $$ >>pids; exec sleep 60' &)
sh -c 'echo $$ >>pids; exec sleep 60' &
while [ "$(cat pids 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.01; done
"""


def end(*runners: Runner, grace_s: float = 0.1) -> set[Runner]:
    return ending.end(list(runners), grace_s=grace_s, limit_s=10)


def alive(pid: int) -> bool:
    row = processes.look(pid)
    return row is not None and row.alive


def test_nobody_to_end() -> None:
    """An empty list is no work."""
    assert end() == set()


def test_who_hears_the_warning_is_not_forced(launch: Launch, tmp_path: Path) -> None:
    """SIGTERM comes first, and the grace is not waited out."""
    runner = launch("trap 'echo bye >bye; exit 5' TERM; echo ready; sleep 60 & wait")
    begin = time.monotonic()
    assert end(runner, grace_s=60) == set()
    assert time.monotonic() - begin < 30
    assert (tmp_path / "work" / "bye").read_text() == "bye\n"
    assert runner.end is not None
    assert runner.end.exit_status == 5


def test_who_does_not_hear_is_forced(launch: Launch) -> None:
    """After the grace comes SIGKILL."""
    runner = launch(STUBBORN)
    assert end(runner) == set()
    assert runner.end is not None
    assert runner.end.signal == signal.SIGKILL


def test_stopped_ones_are_ended(launch: Launch) -> None:
    """A suspended runner hears the warning all the same."""
    runner = launch("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done")
    os.kill(runner.pid, signal.SIGSTOP)
    assert end(runner, grace_s=60) == set()
    assert runner.end is not None
    assert runner.end.exit_status == 5


def test_whole_family_is_ended(launch: Launch, tmp_path: Path) -> None:
    """Children, and daemons that left session and parent behind."""
    runner = launch(f"{DAEMON}\necho ready; exec sleep 60")
    pids = [int(pid) for pid in (tmp_path / "work" / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    assert end(runner) == set()
    assert not any(alive(pid) for pid in pids)


def test_what_the_dead_left_behind_is_ended(launch: Launch, tmp_path: Path) -> None:
    """A runner that was killed from outside may have left its worker."""
    runner = launch(f"{DAEMON}\nexit 3")
    eventually(runner.check, within_s=10, what="the end")
    pids = [int(pid) for pid in (tmp_path / "work" / "pids").read_text().split()]
    assert all(alive(pid) for pid in pids)
    assert end(runner) == set()
    assert not any(alive(pid) for pid in pids)


def test_others_are_spared(launch: Launch) -> None:
    """Another runner of the same user does not notice."""
    runner, other = launch(), launch()
    assert end(runner) == set()
    assert not other.check()


def test_successor_of_a_number_is_spared(launch: Launch) -> None:
    """Whoever has the number of a runner that is long over lives on."""
    stranger = launch()
    runner = Runner(handle=stranger.handle, pid=stranger.pid, born=stranger.born + 1)
    runner.handle = type(runner.handle)("another", "1")
    assert end(runner) == set()
    assert not stranger.check()


def test_what_cannot_be_ended_is_told(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that outlives the limit, as one in a dead disk's wait does."""
    runner = launch()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "send", lambda *_: False)
        left = ending.end([runner], grace_s=0.01, limit_s=0.01)
    assert left == {runner}
