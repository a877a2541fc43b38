"""The scheduler's programs, first on PATH and ill at will."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import pytest

Illness = Literal["well", "failing", "hanging", "rubbish", "mumbling"]
"""How a program is: as it should be; ending with an error; not ending; printing what
makes no sense; doing what it was asked, and then printing what makes no sense."""

ROOT: Final = "/var/lib/gridengine"
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "sge": ("qstat", "qsub", "qdel", "qacct", "qmod", "qconf", "qalter"),
    "slurm": ("squeue", "sbatch", "scancel", "scontrol", "sacct", "sinfo"),
}
PLACES: Final = {"sge": f"{ROOT}/bin/lx-amd64", "slurm": "/usr/bin"}
SUBMITTER: Final = {"sge": "qsub", "slurm": "sbatch"}
WORDS: Final = {
    "sge": "error: unable to send message to qmaster using port 6444 on host head",
    "slurm": "slurm_load_jobs error: Unable to contact slurm controller",
}

_SCRIPT: Final = """#!/bin/sh
state=$(cat '{state}')
echo >>'{calls}'
case $state in
failing) echo '{words}' >&2; exit 1;;
hanging) while [ "$(cat '{state}')" = hanging ]; do sleep 0.1; done; kill -9 $$;;
mumbling) '{real}' "$@" >/dev/null 2>&1;;
esac
case $state in
mumbling | rubbish) printf '<?xml \\377 1.5|\\n%%s (null)\\n'; exit 0;;
esac
exec '{real}' "$@"
"""


class Programs:
    """Stand-ins for one scheduler's programs, which hand on to the real ones."""

    def __init__(self, site: str, place: Path) -> None:
        """Write the stand-ins.

        Args:
            site: The backend's name.
            place: Where they are to be.
        """
        self._place, self._names = place, NAMES[site]
        self.submitter = SUBMITTER[site]
        place.mkdir()
        for name in self._names:
            text = _SCRIPT.format(
                state=place / f"{name}.state",
                calls=place / f"{name}.calls",
                words=WORDS[site],
                real=f"{PLACES[site]}/{name}",
            )
            (place / name).write_text(text)
            (place / name).chmod(stat.S_IRWXU)
        self.be("well")

    def be(self, illness: Illness, *names: str) -> None:
        """Let some programs be in some state, or all of them."""
        for name in names or self._names:
            new = self._place / f"{name}.new"
            new.write_text(illness)
            new.replace(self._place / f"{name}.state")

    def calls(self, name: str) -> int:
        """Return how often a program was started."""
        path = self._place / f"{name}.calls"
        return len(path.read_text()) if path.exists() else 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let the backend find them before the real ones."""
        patch.setenv("PATH", f"{self._place}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("SGE_ARCH", "none")  # else the cell's own come before PATH
