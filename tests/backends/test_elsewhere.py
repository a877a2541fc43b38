"""A run is ordered about on the host of its script, and elsewhere the way there is told."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.client import Cluster, HostName

from gridmap import JobMonitor
from gridmap.errors import RunKilledError
from gridmap.testing import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.cluster]


def wait(gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.05)


def test_another_host_is_told_where_to_go(tmp_path: Path) -> None:
    """It sees how the run stood, and what to type there; there the order is obeyed."""
    cluster = Cluster.find()
    assert cluster is not None
    records, gate = str(tmp_path / "records"), str(tmp_path / "gate")

    def gridmap(host: HostName, *words: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "gridmap", *words, "--records", records]
        done = cluster.run(host, argv, cwd=str(tmp_path))
        return done.returncode, done.stdout + done.stderr

    monitor = JobMonitor(
        backend="local",
        name="held",
        max_workers=1,
        settings={"record_directory": records},
    )
    try:
        with monitor:
            monitor.add(wait, [((gate,), None)], final=True)
            eventually(
                lambda: "held" in gridmap("n1", "runs")[1], within_s=30, what="a record"
            )
            status, text = gridmap("n1", "kill", "held", "-y")
            assert (status, "ssh -t head gridmap kill" in text) == (1, True), text
            status, text = gridmap("n1", "status", "held")
            assert (status, "ssh head gridmap status" in text) == (0, True), text
            kill = [sys.executable, "-m", "gridmap", "kill", "held", "-y"]
            subprocess.run([*kill, "--records", records], check=True)
            with pytest.raises(RunKilledError):
                list(monitor.outcomes.take())
    finally:
        Path(gate).touch()
