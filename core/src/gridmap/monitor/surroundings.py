"""What of the user's process a job finds again on its node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

_OF_THE_HOST: Final = frozenset(
    {
        "_", "CUDA_VISIBLE_DEVICES", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",
        "GRIDMAP_CONNECTION", "HOST", "HOSTNAME", "HOSTTYPE", "JOB_ID", "JOB_NAME",
        "LD_PRELOAD", "MACHTYPE", "NHOSTS", "NQUEUES", "NSLOTS", "OLDPWD", "PWD",
        "QUEUE", "REQUEST", "RESTARTED", "SHLVL", "SSH_AUTH_SOCK", "SSH_CLIENT",
        "SSH_CONNECTION", "SSH_TTY", "STY", "TASK_ID", "TEMP", "TERM", "TMP",
        "TMPDIR", "TMUX", "TTY", "WINDOWID", "XAUTHORITY",
    }
)  # fmt: skip
"""Variables that describe the machine or session they were set on."""

_SCHEDULERS: Final = (
    "BASH_FUNC_", "LSB_", "LSF_", "OAR_", "PBS_", "PE_", "SGE_", "SLURM", "XDG_",
)  # fmt: skip
"""Prefixes of variables by which schedulers and sessions tell a process who it is."""

_LOGIN: Final = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LOGNAME", "MAIL", "PATH", "SHELL", "TZ", "USER"}
)
"""Variables that a login gives, on every machine."""


@attrs.frozen
class Surroundings:
    """Environment, directory and module path of a job.

    Attributes:
        environment: Variables to set.
        directory: Working directory.
        path: Entries for ``sys.path``.
    """

    environment: Mapping[str, str | None] = attrs.field(repr=False)
    directory: str
    path: tuple[str, ...]


def portable(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that mean on another machine what they mean here.

    Args:
        environment: Variables of the user's process, and what he added. Text that is
            no valid UTF-8 cannot travel and stays behind.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in _OF_THE_HOST
        and not name.startswith(_SCHEDULERS)
        and _encodable(name + value)
    }


def not_inherited(
    own: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str | None]:
    """Return what to unset in a runner that has this process's own environment.

    On this machine runners inherit it, and a job that was not to have it would.

    Args:
        own: This process's environment.
        environment: The job's.
    """
    return {
        name: None
        for name in portable(own)
        if name not in environment
        and name not in _LOGIN
        and not name.startswith(("LC_", "GRIDMAP_"))
    }


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
