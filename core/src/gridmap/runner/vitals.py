"""CPU, memory and I/O of the worker's whole process tree, by psutil.

A tree changes while it is measured, and processes end with what they used. CPU and
I/O of children that are gone are kept, so that the sums never fall. What went over the
network counts as read, whichever way it went; see `network`.

Who is below whom is read from the kernel's own lists of children (proc(5)) where it
keeps them: psutil reads every process of the machine instead, which on a full node
took a runner more time than all else it does.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import psutil

from gridmap.runner.actions import Vitals
from gridmap.runner.network import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

_GONE: Final = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


_LISTS: Final = Path("/proc/thread-self/children")
"""Is there if the kernel keeps lists of children (``CONFIG_PROC_CHILDREN``)."""

_HIGH_WATER: Final = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)


class _Used(msgspec.Struct):
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
        self._retire(set(self._live))
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
        """Return what the tree used so far and holds now.

        Costs a fifth of a millisecond for each process of the tree.

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
        # A list of children may leave one out while another of them ends.
        absent = set(self._live) - alive
        self._retire({process for process in absent if not process.is_running()})
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
        tree = [self._root]
        with contextlib.suppress(*_GONE):
            if not _LISTS.exists():
                return tree + self._root.children(recursive=True)
            for pid in _below(self._root.pid):
                with contextlib.suppress(*_GONE):
                    tree.append(psutil.Process(pid))
            return tree
        return []

    def _retire(self, gone: set[psutil.Process]) -> None:
        for process in gone:
            used = self._live.pop(process)
            self._gone.cpu += used.cpu
            self._gone.read += used.read
            self._gone.written += used.written


def _below(pid: int) -> Iterator[int]:
    """Yield the processes below one, as far as they do not end meanwhile."""
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            with contextlib.suppress(OSError):
                for child in map(int, Path(thread, "children").read_bytes().split()):
                    yield child
                    yield from _below(child)
