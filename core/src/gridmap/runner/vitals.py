"""CPU, memory and I/O of the worker's whole process tree, by psutil.

A tree changes while it is measured, and processes end with what they used. CPU and
I/O of children that are gone are kept, so that the sums never fall. What went over the
network counts as read, whichever way it went; see `network`.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Final

import attrs
import psutil

from gridmap.runner.actions import Vitals
from gridmap.runner.network import Traffic

_GONE: Final = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


_HIGH_WATER: Final = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)


@attrs.define
class _Used:
    cpu: float = 0.0
    read: int = 0
    written: int = 0


class Meter:
    """Measures one worker after the other; sums go on over all of them."""

    def __init__(self, pid: int) -> None:
        self._root: psutil.Process | None = None
        self._live: dict[psutil.Process, _Used] = {}
        self._gone = _Used()
        self._traffic = Traffic()
        self._moved = 0
        self._peak = 0
        self.follow(pid)

    def follow(self, pid: int) -> None:
        """Measure another worker from now on."""
        self._retire(set())
        with contextlib.suppress(*_GONE):
            self._root = psutil.Process(pid)

    @property
    def peak(self) -> int:
        """Most memory the present tree was seen to hold, bytes."""
        return self._peak

    def high_water(self) -> int:
        """Return the most memory the worker's own process held, bytes.

        It counts from when its peak was forgotten: see proc(5), ``VmHWM``. 0 where
        the kernel does not tell.
        """
        if self._root is None:
            return 0
        try:
            status = Path(f"/proc/{self._root.pid}/status").read_bytes()
        except OSError:
            return 0
        found = _HIGH_WATER.search(status)
        return int(found[1]) * 1024 if found else 0

    def reset_peak(self) -> None:
        """Begin a new peak."""
        self._peak = 0

    def measure(self, *, network: bool = True) -> Vitals:
        """Return what the tree used so far and holds now. Costs about a millisecond.

        Args:
            network: Whether to look at its sockets too, which costs another one or two
                if it has some; else what they moved stands as it was found last.
        """
        rss = 0
        alive: set[psutil.Process] = set()
        for process in self._tree():
            with contextlib.suppress(*_GONE), process.oneshot():
                times = process.cpu_times()
                used = _Used(cpu=times.user + times.system)
                rss += process.memory_info().rss
                with contextlib.suppress(*_GONE, AttributeError, NotImplementedError):
                    io = process.io_counters()
                    used.read, used.written = io.read_chars, io.write_chars
                self._live[process] = used
                alive.add(process)
        self._retire(alive)
        if network:
            self._moved = self._traffic.measure(process.pid for process in alive)
        self._peak = max(self._peak, rss)
        parts = [self._gone, *self._live.values()]
        return Vitals(
            cpu=sum(part.cpu for part in parts),
            rss=rss,
            peak=self._peak,
            read=self._moved + sum(part.read for part in parts),
            written=sum(part.written for part in parts),
            processes=len(alive),
        )

    def _tree(self) -> list[psutil.Process]:
        if self._root is None:
            return []
        try:
            return [self._root, *self._root.children(recursive=True)]
        except _GONE:
            return []

    def _retire(self, alive: set[psutil.Process]) -> None:
        for process in set(self._live) - alive:
            used = self._live.pop(process)
            self._gone.cpu += used.cpu
            self._gone.read += used.read
            self._gone.written += used.written
