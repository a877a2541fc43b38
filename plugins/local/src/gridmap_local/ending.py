"""Ending runners: a word of warning, then force, for all of their processes."""

from __future__ import annotations

import itertools
import signal
import time
from typing import TYPE_CHECKING

from gridmap_local import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gridmap_local.runner import Runner


def end(runners: Sequence[Runner], *, grace_s: float, limit_s: float) -> set[Runner]:
    """End runners and whatever they started, and wait until they are gone.

    SIGTERM goes to each runner's process group. Once the runner is gone, or the
    grace is over, SIGKILL goes to everything that is left of its family, again and
    again until nothing is: a process may be forking at the moment it is looked at.

    Blocks for at most ``grace_s + limit_s``. Any thread; several may end the same.

    Args:
        runners: Whom to end. One that is over may have left processes behind: these
            are ended at once.
        grace_s: Seconds between the warning and force.
        limit_s: Seconds to wait for the kernel to be done with them.

    Returns:
        Those of which something is left, as a process in uninterruptible sleep is.
    """
    if not runners:
        return set()
    living = [runner for runner in runners if not runner.check()]
    prey = _families(runners)
    for runner in living:
        for process in prey[runner]:
            if process.group == runner.pid:
                processes.send(process, signal.SIGTERM)
                processes.send(process, signal.SIGCONT)
    _until(lambda: _over(living), grace_s)
    known = {runner: set(family) for runner, family in prey.items()}

    def force() -> bool:
        for runner, family in _families(runners).items():
            known[runner] = {p for p in {*known[runner], *family} if _lives(p)}
            for process in known[runner]:
                processes.send(process, signal.SIGKILL)
        return _over(runners) and not any(known.values())

    if _until(force, limit_s):
        return set()
    return {runner for runner in runners if known[runner] or not runner.check()}


def _over(runners: Collection[Runner]) -> bool:
    # Not all() of a generator: each has to be waited for, not only the first.
    return sum(runner.check() for runner in runners) == len(runners)


def _families(
    runners: Collection[Runner],
) -> dict[Runner, list[processes.Process]]:
    leaders = {runner.mark: (runner.pid, runner.born) for runner in runners}
    found = processes.families(leaders, processes.table())
    return {runner: found[runner.mark] for runner in runners}


def _lives(process: processes.Process) -> bool:
    row = processes.same(process.pid, process.born)
    return row is not None and row.alive


def _until(done: Callable[[], bool], limit_s: float) -> bool:
    """Ask until the answer is yes, often at first, or the time is over."""
    stop = time.monotonic() + limit_s
    for turn in itertools.count():
        if done():
            return True
        left = stop - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, 0.001 * 1.3 ** min(turn, 15)))
    raise AssertionError  # count() has no end
