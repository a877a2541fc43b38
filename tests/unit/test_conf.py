"""GridMap's constants keep their names and are read late."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gridmap.conf
from gridmap.errors import InvalidSettingError

NAMES = {
    "CHECK_FREQUENCY",
    "CREATE_PLOTS",
    "DEFAULT_PAR_ENV",
    "DEFAULT_QUEUE",
    "DEFAULT_TEMP_DIR",
    "DRMAA_PRESENT",
    "ERROR_MAIL_RECIPIENT",
    "ERROR_MAIL_SENDER",
    "HEARTBEAT_FREQUENCY",
    "IDLE_THRESHOLD",
    "MAX_IDLE_HEARTBEATS",
    "MAX_TIME_BETWEEN_HEARTBEATS",
    "NUM_RESUBMITS",
    "SEND_ERROR_MAIL",
    "SMTP_SERVER",
    "USE_MEM_FREE",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*NAMES, *(name for name in os.environ if name.startswith("GRIDMAP"))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_every_constant_is_there() -> None:
    """All names of GridMap 0.15.0's `gridmap.conf` are listed and have a value."""
    assert set(dir(gridmap.conf)) >= NAMES
    for name in NAMES:
        getattr(gridmap.conf, name)
    assert isinstance(gridmap.conf.DRMAA_PRESENT, bool)


def test_times_are_whole_numbers() -> None:
    """GridMap's users put them into texts and ranges."""
    assert repr(gridmap.conf.HEARTBEAT_FREQUENCY) == "10"
    assert repr(gridmap.conf.MAX_TIME_BETWEEN_HEARTBEATS) == "90"
    assert repr(gridmap.conf.IDLE_THRESHOLD) == "1.0"


def test_the_environment_counts_after_the_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GridMap froze its settings at import, which users stumbled over."""
    monkeypatch.setenv("NUM_RESUBMITS", "9")
    assert gridmap.conf.NUM_RESUBMITS == 9
    monkeypatch.setenv("NUM_RESUBMITS", "nine")
    with pytest.raises(InvalidSettingError, match="NUM_RESUBMITS='nine'"):
        _ = gridmap.conf.NUM_RESUBMITS


def test_other_names_are_not_there() -> None:
    """A name GridMap did not have is an AttributeError."""
    with pytest.raises(AttributeError, match="NUM_RESUBMIT'"):
        _ = gridmap.conf.NUM_RESUBMIT


def test_importing_is_light_and_silent() -> None:
    """Nothing is read, printed or loaded when this is imported, bad settings or not."""
    heavy = "tomllib platformdirs pluggy zmq drmaa matplotlib"
    code = (
        "import sys, gridmap.conf; "
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "HEARTBEAT_FREQUENCY": "abc"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
