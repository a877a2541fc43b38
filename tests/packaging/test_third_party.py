"""Strangers' plugins, installed from their wheels, pass their own tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.packaging.clean import (
    MEMBERS,
    ROOT,
    build_wheel,
    clean_environ,
    make_environment,
)

THIRD_PARTY = ROOT / "examples" / "third_party"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_strangers_backend_passes_from_its_wheel(tmp_path: Path) -> None:
    """Beside core alone, in a clean environment, on the real task-spooler."""
    if shutil.which("tsp") is None:
        reason = "no tsp: apt install task-spooler"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI=true, and there is {reason}")
        pytest.skip(reason)
    summary = run_own_tests("gridmap-spooler", tmp_path, "core")
    assert "2 skipped" in summary, summary  # nothing is held in this queue


@pytest.mark.cluster("oar")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_strangers_backend_passes_on_a_real_oar(tmp_path: Path) -> None:
    """Of two nodes, beside core alone, in a clean environment."""
    run_own_tests("gridmap-oar", tmp_path, "core", within_s=840)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_sites_rules_hold_on_every_backend(tmp_path: Path) -> None:
    """Installed from their wheel, beside backends that know nothing of them."""
    run_own_tests("gridmap-site-policy", tmp_path, "core", "local", "sge", "slurm")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_runners_start_in_containers_and_with_modules(tmp_path: Path) -> None:
    """By a plugin installed from its wheel, in a container and with modules that are real."""
    run_own_tests("gridmap-containers", tmp_path, "core", "local")


def run_own_tests(name: str, place: Path, *members: str, within_s: float = 280) -> str:
    """Install a plugin beside our own members, run its tests, return their summary."""
    source = THIRD_PARTY / name
    sources = [*(MEMBERS[member] for member in members), source]
    wheels = [build_wheel(one, place) for one in sources]
    python = make_environment(place / "clean", wheels, "pytest")
    shutil.copytree(source / "tests", place / "tests")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"],
        check=False,
        cwd=place,
        env={**clean_environ(), "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
