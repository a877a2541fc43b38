"""A failed job is called again here, with its exact input."""

import subprocess
import sys
from pathlib import Path

import pytest

from gridmap import grid_map

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_failed_job_is_called_again_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its input and environment, as often as wanted; one that is not there is told."""
    runs = tmp_path / "kept"
    monkeypatch.setenv("COLOUR", "green")

    def paint(number: int) -> str:
        import os

        return f"{6 // number} {os.environ['COLOUR']}"

    with pytest.raises(ZeroDivisionError):
        grid_map(
            paint, [3, 0], backend="local", resume="replayed",
            settings={"run_directory": str(runs)},
        )  # fmt: skip
    monkeypatch.delenv("COLOUR")

    def replay(job: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gridmap", "replay", "replayed", job, *words]
        return subprocess.run(
            [*command, "--runs", str(runs)],
            input="p number\n", capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    good = replay("0")
    assert (good.returncode, good.stdout) == (0, "'2 green'\n"), good.stderr
    bad = replay("1", "--pdb")
    assert bad.returncode == 1
    assert "ZeroDivisionError" in bad.stderr
    assert "(Pdb) 0" in bad.stdout
    missing = replay("2")
    assert (missing.returncode, "no job 2" in missing.stderr) == (1, True)
