"""What a process holds, to be compared before and after."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import psutil

from gridmap.testing.probe import STARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_recorders: list[list[str]] = []


@attrs.frozen(kw_only=True)
class Holdings:
    """Threads, child processes and open files of this process.

    Attributes:
        threads: Names, by identity.
        children: Command lines, by process; grandchildren included.
        parents: The ancestors of each child.
        files: What each descriptor leads to.
    """

    threads: dict[int, str]
    children: dict[psutil.Process, str]
    parents: dict[psutil.Process, list[psutil.Process]]
    files: dict[int, str]

    def beyond(self, before: Holdings) -> list[str]:
        """Return, in words, what is held now and was not held before."""
        threads = self.threads.items() - before.threads.items()
        # What a child from before has started since is that child's own business.
        known = set(before.children)
        children = {
            child
            for child, parents in self.parents.items()
            if child not in known and not known.intersection(parents)
        }
        files = self.files.items() - before.files.items()
        return [
            *(f"thread {name!r}" for _, name in sorted(threads)),
            *(
                f"child process {child.pid}: {self.children[child]}"
                for child in children
            ),
            *(f"open file {target}" for _, target in sorted(files)),
        ]


def holdings() -> Holdings:
    """Look at what this process holds now."""
    threads = {t.ident or 0: t.name for t in threading.enumerate()}
    children, parents = {}, {}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = child.status() if not child.cmdline() else " ".join(child.cmdline())
            children[child], parents[child] = line, child.parents()
    return Holdings(
        threads=threads, children=children, parents=parents, files=_open_files()
    )


def _open_files() -> dict[int, str]:
    files = {}
    listing = Path("/proc/self/fd")
    if listing.is_dir():
        for link in listing.iterdir():
            with contextlib.suppress(OSError):
                files[int(link.name)] = str(link.readlink())
    return {
        number: target for number, target in files.items() if not target.endswith("/fd")
    }


@contextlib.contextmanager
def process_starts() -> Iterator[list[str]]:
    """Record the audit events of processes that are started meanwhile."""
    if not _recorders:
        # An audit hook stays for good: one for all, and none until it is needed.
        sys.addaudithook(_record)
        _recorders.append([])
    events: list[str] = []
    _recorders.append(events)
    try:
        yield events
    finally:
        _recorders[:] = [other for other in _recorders if other is not events]


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS:
        for events in _recorders:
            events.append(f"{event}{arguments[:2]} in process {os.getpid()}")
