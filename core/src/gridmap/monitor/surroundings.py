"""What of the user's process a job finds again on its node."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


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
