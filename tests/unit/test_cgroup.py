"""What is read of a process's control group, of either version."""

import os
from pathlib import Path

import pytest

from gridmap import cgroup


def test_the_least_limit_of_all_groups_above_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schedulers limit a job, and have groups below it for its steps."""
    machine = cgroup.memory()
    assert machine > 0
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, name = tmp_path, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = tmp_path / "memory", "memory.limit_in_bytes"
        else:
            continue
        step = base / path.lstrip("/")
        step.mkdir(parents=True, exist_ok=True)
        (step / name).write_text("max\n")
        (base / name).write_text(f"{5 << 20}\n")
    monkeypatch.setattr(cgroup, "_ROOT", tmp_path)
    assert cgroup.memory() == 5 << 20
    cores = len(os.sched_getaffinity(0))
    assert cgroup.memory(cores + 1) == 5 << 20, "no more than all of it"
    assert cgroup.memory(1) == (5 << 20) // cores
