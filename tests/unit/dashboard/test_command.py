"""``gridmap dashboard``, of a run that is not there."""

from pathlib import Path

import pytest

from gridmap.cli import main


def test_a_run_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the other commands tell it, before anything is served."""
    assert main(["dashboard", "nosuch", "--records", str(tmp_path)]) == 1
    assert "there is no run yet" in capsys.readouterr().err
