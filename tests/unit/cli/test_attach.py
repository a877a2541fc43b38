"""What ``gridmap attach`` says at the end."""

from pathlib import Path

import pytest

from gridmap.attach import RunState
from gridmap.cli.attach import _tell


def test_a_run_whose_script_was_killed_while_it_was_watched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is told how to go on: its results are not all there."""
    state = RunState(
        name="sweep-7",
        token="",
        backend="local",
        jobs=12,
        done=5,
        failed=0,
        complete=True,
        forgiving=False,
        driver=None,
        directory=Path("sweep-7"),
    )
    assert _tell(state, None, as_json=False) == 1
    printed = capsys.readouterr().out
    assert "5 of 12 jobs are done." in printed
    assert "gridmap attach 'sweep-7' goes on with it" in printed
