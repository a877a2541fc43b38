"""A stranger's backend, installed from its wheel, passes the conformance suite."""

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

SPOOLER = ROOT / "examples" / "third_party" / "gridmap-spooler"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_strangers_backend_passes_from_its_wheel(tmp_path: Path) -> None:
    """Beside core alone, in a clean environment, on the real task-spooler."""
    if shutil.which("tsp") is None:
        reason = "no tsp: apt install task-spooler"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"CI=true, and there is {reason}")
        pytest.skip(reason)
    wheels = [build_wheel(source, tmp_path) for source in (MEMBERS["core"], SPOOLER)]
    python = make_environment(tmp_path / "clean", wheels, "pytest")
    shutil.copytree(SPOOLER / "tests", tmp_path / "tests")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"],
        check=False,
        cwd=tmp_path,
        env={**clean_environ(), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout, done.stdout  # nothing is held in this queue
