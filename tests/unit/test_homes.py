"""A user's files go where platformdirs puts them."""

import os
import pwd
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest

from gridmap import homes
from gridmap.errors import InvalidSettingError
from gridmap.settings import Settings


@pytest.mark.parametrize("value", [None, "", "relative", "/some/where"])
def test_they_are_where_platformdirs_has_them(
    value: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the variables are: unset, empty, relative or a path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert homes.config() == platformdirs.user_config_path("gridmap")
    assert homes.state() == platformdirs.user_state_path("gridmap")


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user whom the system does not know, as in a container."""

    def unknown(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    names = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME")
    for name in (*names, "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("stranger")
def test_who_has_no_home_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is all he needs."""
    for place in (homes.config, homes.state):
        with pytest.raises(InvalidSettingError, match="set HOME to a directory"):
            place()
    monkeypatch.setenv("HOME", "/my/home")
    assert homes.state() == Path("/my/home/.local/state/gridmap")


@pytest.mark.usefixtures("stranger")
def test_who_has_no_name_has_a_number() -> None:
    """To tell his directory from that of others, where all have one together."""
    place = Settings(temp_dir="/scratch").runs()
    assert place == Path(f"/scratch/gridmap-{os.geteuid()}")
