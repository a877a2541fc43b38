"""Runners of a local run are copies of one process, and nobody can tell."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmap import GridExecutor
from gridmap_local import early

pytestmark = pytest.mark.skipif(
    not early.can_clone(), reason="no copies can be made here"
)


def look() -> dict[str, Any]:
    """Return what a job sees of its runner."""
    pid = os.getppid()
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return {
        "made": sys.modules["__main__"].__spec__,
        "pid": pid,
        "parent": int(stat[1]),
        "session": int(stat[3]),
        "command": Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split(),
        "environment": [
            Path(f"/proc/{each}/environ").read_bytes().split(b"\0")
            for each in (pid, os.getpid())
        ],
        "variables": {
            name: os.environ[name]
            for name in ("GRIDMAP_LOCAL_HANDLE", "GRIDMAP_CONNECTION")
        },
        "arguments": sys.argv,
    }


def test_a_runner_looks_as_if_it_had_been_started() -> None:
    """Its parent, session, command and handle are those of a program of its own."""
    with GridExecutor(1, backend="local") as executor:
        seen = executor.submit(look).result()
    assert seen["made"].name == "gridmap_local.zygote"
    assert seen["parent"] == os.getpid()
    assert seen["session"] == seen["pid"]
    assert seen["command"][:3] == [sys.executable, "-m", "gridmap.runner"]
    assert seen["command"][3].startswith("unix://")
    assert len(seen["command"]) == 5
    for name, value in seen["variables"].items():
        mark = f"{name}={value}".encode()
        assert all(mark in variables for variables in seen["environment"])
    assert seen["arguments"] == [""]
