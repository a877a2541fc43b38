"""What of the user's environment Slurm's commands get to see. Pure.

Two dangers are kept out. Variables such as ``SQUEUE_STATES`` or ``SCANCEL_USER``
change what a command does, so that a query would miss runners. And the user's
process may itself be a Slurm job, whose ``SLURM_*`` variables are about that job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTION: Final = ("SLURM_CLUSTERS", "SLURM_CONF", "SLURM_CONF_SERVER")
"""How the commands find the cluster."""

_TOKEN: Final = "SLURM_JWT"  # noqa: S105 - its name
"""How they may prove who the user is."""

_COMMANDS: Final = ("SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_", "SLURM_", "SQUEUE_")
"""Prefixes of variables that change what a command does or tell of another job."""

_LOGIN: Final = frozenset(
    {
        "HOME",
        "KRB5CCNAME",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",  # a Python out of an environment module needs it
        "LOGNAME",
        "PATH",
        "SHELL",
        "TZ",
        "USER",
        *CONNECTION,
        _TOKEN,
    }
)

_BLOCKING: Final = frozenset(
    {
        "SBATCH_ARRAY_INX",
        "SBATCH_EXPORT",
        "SBATCH_GET_USER_ENV",
        "SBATCH_WAIT",  # sbatch would not return until the last runner has ended
        "SBATCH_WRAP",
    }
)


def for_queries(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for every command but sbatch.

    Args:
        environ: The environment of this process.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in {*CONNECTION, _TOKEN} or not name.startswith(_COMMANDS)
    }
    return kept | {"LC_ALL": "C"}


def for_submission(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for sbatch, which becomes that of the batch script.

    It is small because sbatch runs with ``--export=ALL``. With ``NONE`` or a list of
    names, Slurm starts a login shell of the user on the node for each runner, to load
    what it thinks is missing (seen in 22.05.8 as ``SLURM_GET_USER_ENV``): slow, and it
    hands a broken start-up file to every job. So the selection is made here.

    Args:
        environ: The environment of this process. The user's and the site's defaults in
            ``SBATCH_*`` stay in force, except those that would break the submission.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _LOGIN
        or name.startswith("LC_")
        or (name.startswith("SBATCH_") and name not in _BLOCKING)
    }
