"""A job sees the graphics processor that Slurm gave it, and none of a neighbour's."""

import os
import socket
from pathlib import Path

import pytest
from tests import jobs
from tests.sites import Slurm

from gridmap import Job, process_jobs
from gridmap.testing import eventually

pytestmark = [pytest.mark.cluster("slurm"), pytest.mark.slow, pytest.mark.timeout(120)]


def told_among_four(place: str, number: int) -> tuple[str, str | None, str | None]:
    """Return the node, and what is said there of devices, once four such jobs run."""
    jobs.mark(place, f"job{number}")
    eventually(
        lambda: len(list(Path(place).glob("job*"))) == 4, within_s=60, what="four jobs"
    )
    names = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS")
    visible, granted = (os.environ.get(name) for name in names)
    return socket.gethostname(), visible, granted


def test_devices_are_seen_as_slurm_grants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs hold the one device of each node, two beside them have asked for none."""
    monkeypatch.setenv("GRIDMAP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # of the user's own machine
    place = tmp_path / "marks"
    place.mkdir()
    wanted = [
        Job(told_among_four, [str(place), number], gpu=number % 2)
        for number in range(4)
    ]
    rows = process_jobs(wanted, backend=Slurm.backend, max_workers=4)
    assert sorted(rows[1::2]) == [("n1", "0", "0"), ("n2", "0", "0")]
    assert [row[1:] for row in rows[::2]] == [(None, None)] * 2
