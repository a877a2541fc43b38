"""A user's files go where platformdirs puts them."""

from pathlib import Path

import platformdirs
import pytest

from gridmap import homes


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
