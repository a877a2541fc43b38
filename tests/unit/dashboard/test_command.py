"""``gridmap dashboard``, as a program calls it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gridmap.cli import main


def test_a_run_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the other commands tell it, before anything is served."""
    assert main(["dashboard", "nosuch", "--records", str(tmp_path)]) == 1
    assert "there is no run yet" in capsys.readouterr().err


def test_a_program_gets_the_address_and_ends_it(tmp_path: Path) -> None:
    """As JSON, on a line that comes at once; Ctrl-C is how it ends, without an error."""
    with subprocess.Popen(
        [sys.executable, "-m", "gridmap", "dashboard", "--json"],
        env=os.environ | {"GRIDMAP_RECORD_DIRECTORY": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        url = json.loads(serving.stdout.readline())["url"]
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - ours
            assert b"<title>gridmap</title>" in answer.read()
        serving.send_signal(signal.SIGINT)
        assert serving.wait(20) == 0
