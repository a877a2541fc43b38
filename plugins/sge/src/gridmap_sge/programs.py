"""Grid Engine's programs, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.desk import Desk
    from gridmap.programs import Answer, Reply
    from gridmap_sge.discovery import Installation

TIMEOUT_S: Final = 60.0
"""For one call. Of a master that is down, programs say so at once; of one that hangs,
after some minutes."""


class Programs:
    """Runs the programs of one installation, in its environment, through a desk."""

    def __init__(
        self,
        installation: Installation,
        environ: Mapping[str, str],
        desk: Desk,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.installation = installation
        self.environ = installation.environment(environ)
        self.desk = desk
        self.timeout_s = timeout_s
        # What runs share, they share for one cell.
        self._where = f"{installation.root} {installation.cell} {installation.master}"

    def ask(self, name: str, *arguments: str) -> Reply:
        """Run a program to its end; never raises."""
        argv = (self._path(name), *arguments)
        return self.desk.run(argv, self.environ, self.timeout_s, where=self._where)

    def look(
        self,
        sound: Callable[[Answer], bool],
        name: str,
        *arguments: str,
        fresh: bool = False,
    ) -> Reply:
        """Put a question that is not this run's alone; see `gridmap.desk.Desk.look`."""
        argv = (self._path(name), *arguments)
        return self.desk.look(
            argv, self.environ, self.timeout_s,
            where=self._where, sound=sound, fresh=fresh,
        )  # fmt: skip

    def _path(self, name: str) -> str:
        return self.installation.programs.get(name, name)
