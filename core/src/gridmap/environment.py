"""Which variables of a process another one may have, on its own machine. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def portable(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that mean on another machine what they mean here.

    Args:
        environment: Variables of the user's process.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in _OF_THE_HOST and not name.startswith(_SCHEDULERS)
    }


def encodable(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that can travel: those whose text is valid UTF-8."""
    return {n: value for n, value in environment.items() if _is_utf8(n + value)}


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


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
