"""A run that is over is known as well as it was while it went on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmap import Job, grid_map, process_jobs

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


def test_a_job_that_failed_is_called_again_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it was called with, without a name; others say why they are not kept."""
    records = tmp_path / "records"
    monkeypatch.setenv("COLOUR", "green")
    blob = bytes(range(256)) * 1000

    def paint(number: int, data: bytes) -> str:
        import os

        return f"{6 // number} {len(data)} {os.environ['COLOUR']}"

    grid_map(
        paint, [[number, blob] for number in (1, 0, 0, 0)], backend="local",
        name="painted", return_exceptions=True, max_workers=1,
        settings={"record_directory": str(records), "keep_failed": 2},
    )  # fmt: skip
    monkeypatch.delenv("COLOUR")
    (kept,) = records.glob("*.jobs")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.stat().st_size < 600_000

    def replay(job: str) -> subprocess.CompletedProcess[str]:
        words = ["replay", "painted", job, "--pdb", "--records", str(records)]
        return subprocess.run(
            [sys.executable, "-m", "gridmap", *words],
            input="p number, len(data), os.environ['COLOUR']\n",
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    bad = replay("1")
    assert bad.returncode == 1
    assert "ZeroDivisionError" in bad.stderr
    assert "(Pdb) (0, 256000, 'green')" in bad.stdout
    for job, why in (
        ("0", "did not fail (done)"),
        ("3", "keep_failed"),
        ("4", "no job 4"),
    ):
        refused = replay(job)
        assert (refused.returncode, why in refused.stderr) == (1, True), refused.stderr
