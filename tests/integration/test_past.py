"""A run that is over is known as well as it was while it went on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmap import Job, process_jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def odd(number: int) -> int:
    if number % 2 == 0:
        msg = f"{number} is even"
        raise ValueError(msg)
    return number


def shell(records: Path, *words: str) -> str:
    """Return what a command prints, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gridmap", *words, "--records", str(records)],
        env=os.environ, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_names_times_and_tracebacks_are_there_afterwards(tmp_path: Path) -> None:
    """In what `status` and `report` tell of a run whose process may be long gone."""
    records = tmp_path / "records"
    process_jobs(
        [Job(odd, [number], name=f"odd-{number}") for number in range(4)],
        backend="local",
        max_workers=2,
        return_exceptions=True,
        settings={"record_directory": str(records)},
    )
    report: dict[str, Any] = json.loads(shell(records, "report", "-f", "json"))
    jobs = report["jobs"]
    assert [job["name"] for job in jobs] == ["odd-0", "odd-1", "odd-2", "odd-3"]
    assert [job["state"] for job in jobs] == ["failed", "done"] * 2
    assert all(job["node"] and job["end"] > 0 for job in jobs)
    for job in jobs:
        assert ("is even" in job["traceback"]) is (job["state"] == "failed")
    one = json.loads(shell(records, "status", report["name"], "2", "--json"))
    assert one["name"] == "odd-2"
    assert "in odd\n    raise ValueError(msg)" in one["failure"]["traceback"]
    assert "traceback:" in shell(records, "status", report["name"], "2")
