"""Run in a fresh interpreter by the tests: what does this plugin cost?

Usage: ``python -P probe.py NAME FACTORY AVAILABILITY``; prints JSON.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system")
"""Audit events of a process being started (Python's audit event table, 3.11)."""


def main(name: str, factory: str, availability: str) -> None:
    """Time the imports a user and a node have to make, and the check."""
    from gridmap import plugins  # noqa: PLC0415 - not part of what is measured

    started: list[str] = []
    sys.addaudithook(
        lambda event, _: started.append(event) if event in STARTS else None
    )
    report: dict[str, Any] = {"discovery_ms": None}
    for entry in importlib.metadata.entry_points(group=plugins.GROUP):
        cost, module = timed(entry.load)
        if any(info.name == name for info in backends_of(module)):
            report["discovery_ms"] = cost
    report["discovery_starts"] = list(started)
    started.clear()
    module_name, _, function = availability.partition(":")
    check = getattr(importlib.import_module(module_name), function)
    report["availability_ms"], _ = timed(check)
    report["availability_starts"] = list(started)
    started.clear()

    def identify() -> object:
        return plugins.identify(plugins.load_backend(factory), os.environ)

    report["identify_ms"], _ = timed(identify)
    report["identify_starts"] = list(started)
    print(json.dumps(report))  # noqa: T201 - the parent reads it


def backends_of(module: object) -> list[Any]:
    """Return what a plugin's module offers."""
    function = getattr(module, "gridmap_backends", None)
    return [] if function is None else list(function())


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds a call takes, and what it returns.

    Time on the clock, since waiting for a network's file system counts too.
    """
    start = time.perf_counter()
    answer = function()
    return (time.perf_counter() - start) * 1000, answer


if __name__ == "__main__":
    main(*sys.argv[1:])
