"""Usable cores are what affinity and every control group on the way up leave."""

import math
from pathlib import Path

import pytest

from gridmap_local import cores


def group(root: Path, path: str, **files: str) -> None:
    directory = root / path
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def quota(root: Path, membership: str) -> float:
    root.mkdir(exist_ok=True)
    file = root.parent / "membership"
    file.write_text(membership)
    return cores.cgroup_quota(file, root)


def test_quota_of_version_2_is_read(root: Path) -> None:
    """One and a half cores of time are allowed."""
    group(root, "job/step", cpu__max="150000 100000\n")
    assert quota(root, "0::/job/step\n") == 1.5


def test_strictest_group_on_the_way_up_counts(root: Path) -> None:
    """A parent's quota bounds its children, whatever they say."""
    group(root, "job", cpu__max="200000 100000\n")
    group(root, "job/step", cpu__max="max 100000\n")
    assert quota(root, "0::/job/step\n") == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_quota_of_version_1_is_read(root: Path, mount: str) -> None:
    """The older controller is found under either of its mounts."""
    group(root, f"{mount}/job", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert quota(root, "4:cpu,cpuacct:/job\n0::/\n") == 0.5


@pytest.mark.parametrize(
    "text",
    ["max 100000\n", "", "garbage\n", "1 0\n"],
    ids=["max", "empty", "garbage", "no-period"],
)
def test_what_says_nothing_limits_nothing(root: Path, text: str) -> None:
    """No quota, or none that can be read, is no limit."""
    group(root, "job", cpu__max=text)
    assert quota(root, "0::/job\n") == math.inf


def test_unlimited_version_1_limits_nothing(root: Path) -> None:
    """A quota of -1 is none."""
    group(root, "cpu/job", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert quota(root, "4:cpu:/job\n") == math.inf


def test_invisible_group_limits_nothing(root: Path) -> None:
    """A container is told its path on the host, which is not there."""
    assert quota(root, "0::/docker/0123\n") == math.inf


def test_missing_membership_limits_nothing(tmp_path: Path) -> None:
    """Systems without control groups have no quota."""
    assert cores.cgroup_quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.parametrize(
    ("allowed", "limit", "usable"),
    [(8, math.inf, 8), (8, 2.5, 3), (8, 0.1, 1), (1, 4.0, 1)],
    ids=["affinity", "rounded-up", "at-least-one", "both"],
)
def test_affinity_and_quota_are_joined(
    monkeypatch: pytest.MonkeyPatch, allowed: int, limit: float, usable: int
) -> None:
    """The smaller of both counts, rounded up, and never nothing."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(cores, "cgroup_quota", lambda *_: limit)
    assert cores.usable_cores() == usable
