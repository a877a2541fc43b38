"""Where a user's own files of gridmap go.

As platformdirs has it. On Linux that is one rule, which is followed here, because
importing platformdirs takes longer than most of what a run is opened with: its
``tempfile`` brings archives and compression along.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from gridmap.errors import InvalidSettingError

_NAME: Final = "gridmap"


def home() -> Path:
    """Return the user's home directory.

    Raises:
        InvalidSettingError: If nothing names one, as in a container whose user is but
            a number.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        msg = (
            f"user {os.geteuid()} has no home directory: HOME is not set, and the "
            "system does not know this user; set HOME to a directory of yours"
        )
        raise InvalidSettingError(msg) from error


def config() -> Path:
    """Return the directory of the user's settings, which need not exist."""
    if sys.platform != "linux":
        from platformdirs import user_config_path  # noqa: PLC0415 - see above

        return user_config_path(_NAME)
    return _home("XDG_CONFIG_HOME", ".config")


def state() -> Path:
    """Return the directory of what outlives a run, which need not exist."""
    if sys.platform != "linux":
        from platformdirs import user_state_path  # noqa: PLC0415 - see above

        return user_state_path(_NAME)
    return _home("XDG_STATE_HOME", ".local/state")


def _home(variable: str, usual: str) -> Path:
    """Return a directory by the XDG Base Directory Specification, 0.8."""
    named = Path(os.environ.get(variable, ""))
    # "All paths set in these environment variables must be absolute", or are ignored.
    return (named if named.is_absolute() else home() / usual) / _NAME
