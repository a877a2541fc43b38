"""Which backend a map would take, and why that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from gridmap import plugins
from gridmap.errors import BackendUnavailableError
from gridmap.plugins import InstalledBackend

if TYPE_CHECKING:
    from gridmap.settings import Origins, Settings


@attrs.frozen
class Choice:
    """A backend.

    Attributes:
        backend: The backend.
        why: Who or what chose it, for people.
    """

    backend: InstalledBackend
    why: str


def choose(named: str | None, settings: Settings, origins: Origins) -> Choice:
    """Return the backend a map would take; whether it is usable is not asked.

    Args:
        named: What the command line says.
        settings: The settings, of which one may name a backend.
        origins: Where they stand.

    Raises:
        UnknownBackendError: If there is none of that name.
        BackendUnavailableError: If none is named and none can be used.
    """
    known = plugins.installed()
    if named is not None:
        return Choice(known.find(named), "named on the command line")
    if settings.backend is not None:
        place = origins["backend"]
        return Choice(known.find(settings.backend), f"named by {place}")
    best = known.best()
    if best is None:
        name = "any"
        reason = "no backend can be used here; pip install gridmap-local gives one"
        raise BackendUnavailableError(name, reason)
    if best[1].preference > 0:
        return Choice(best[0], "the usable backend with the highest preference")
    return Choice(best[0], "no cluster can be used from here")
