"""Grid Engine's programs, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gridmap_sge import command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridmap_sge.command import Outcome, Run
    from gridmap_sge.discovery import Installation

TIMEOUT_S: Final = 60.0
"""For one call. Of a master that is down, programs say so at once; of one that hangs,
after some minutes."""


class Programs:
    """Runs the programs of one installation, in its environment."""

    def __init__(
        self,
        installation: Installation,
        environ: Mapping[str, str],
        run: Run = command.run,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.installation = installation
        self.environ = installation.environment(environ)
        self.timeout_s = timeout_s
        self._run = run

    def ask(self, name: str, *arguments: str) -> Outcome:
        """Run a program to its end; never raises."""
        path = self.installation.programs.get(name, name)
        return self._run((path, *arguments), self.environ, "/", self.timeout_s)
