"""What lies between a backend under test and its scheduler's programs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gridmap import programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gridmap.programs import Reply


class Line:
    """What lies between a backend and its scheduler's programs.

    Attributes:
        trouble: What every program answers; None: what it says.
    """

    def __init__(self) -> None:
        self.trouble: Reply | None = None

    def run(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        text: str,
        timeout_s: float,
    ) -> Reply:
        """Run a program, as `gridmap.programs.run` does; do not, in trouble."""
        if self.trouble is not None:
            return self.trouble
        return programs.run(argv, environ, text, timeout_s)

    @contextlib.contextmanager
    def broken(self, reply: Reply) -> Iterator[None]:
        """Have every program answer this for a while."""
        self.trouble = reply
        try:
            yield
        finally:
            self.trouble = None
