"""A failed job is called again here, with its exact input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gridmap import grid_map
from gridmap.cli.replay import _print_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_failed_job_is_called_again_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its input and environment, as often as wanted; one that is not there is told."""
    runs = tmp_path / "kept"
    monkeypatch.setenv("COLOUR", "green")

    def paint(number: int) -> str:
        import os

        print("painting", number)  # noqa: T201 - as a job of a user does
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
    assert (good.returncode, good.stdout) == (0, "painting 3\n'2 green'\n"), good.stderr
    bad = replay("1", "--pdb")
    assert bad.returncode == 1
    assert "ZeroDivisionError" in bad.stderr
    assert "(Pdb) 0" in bad.stdout
    told = replay("0", "--json")
    assert json.loads(told.stdout) == {"run": "replayed", "job": 0, "value": "2 green"}
    failed = replay("1", "--json")
    assert failed.returncode == 1
    known = json.loads(failed.stdout)
    assert known["error"].startswith("ZeroDivisionError: ")
    assert "6 // number" in known["traceback"]
    assert "painting 0" in failed.stderr
    assert replay("1", "--json", "--pdb").returncode == 2
    missing = replay("2")
    assert (missing.returncode, "no job 2" in missing.stderr) == (1, True)


@pytest.mark.parametrize(
    ("value", "told"), [({"a": {1}}, {"a": "{1}"}), ({(1, 2): 3}, "{(1, 2): 3}")]
)
def test_what_json_has_no_word_for_is_text(
    capsys: pytest.CaptureFixture[str], value: object, told: object
) -> None:
    """The job did return, and a program is to hear what."""
    _print_json("sweep", 0, value=value)
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"run": "sweep", "job": 0, "value": told}
