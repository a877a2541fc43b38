"""What of the user's process a job finds again on its node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gridmap.concealing import Concealing

if TYPE_CHECKING:
    from collections.abc import Mapping


class Surroundings(Concealing, msgspec.Struct, frozen=True):
    """Environment, directory and module path of a job.

    Attributes:
        environment: Variables to set.
        directory: Working directory.
        path: Entries for ``sys.path``.
    """

    concealed = frozenset({"environment"})

    environment: Mapping[str, str | None]
    directory: str
    path: tuple[str, ...]
