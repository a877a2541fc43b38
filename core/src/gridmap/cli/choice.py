"""Which backend a map would take, and why that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gridmap import plugins
from gridmap.control.register import Register
from gridmap.errors import BackendUnavailableError, GridMapError

if TYPE_CHECKING:
    from gridmap.plugins import InstalledBackend
    from gridmap.settings import Origins, Settings


class Choice(msgspec.Struct, frozen=True):
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
        reason = "install gridmap-local, whose runners are on this machine"
        raise BackendUnavailableError(None, reason)
    if best[1].preference > 0:
        return Choice(best[0], "the usable backend with the highest preference")
    return Choice(best[0], "no cluster can be used from here")


def choose_known(named: str | None, settings: Settings, origins: Origins) -> Choice:
    """Return the backend to be looked at: one that is named, else that of the last run.

    Args:
        named: As for `choose`.
        settings: Likewise.
        origins: Likewise.

    Raises:
        UnknownBackendError, BackendUnavailableError: As `choose`.
    """
    last = None
    if named is None and settings.backend is None:
        last = _of_last_run(settings)
    return choose(named, settings, origins) if last is None else last


def _of_last_run(settings: Settings) -> Choice | None:
    """Return the last run's backend; None if there is none that is known here."""
    try:
        entries = Register(settings.records()).entries(1)
        if not entries:
            return None
        record = entries[0].record
        backend = plugins.installed().find(record.backend)
    except (GridMapError, OSError):
        return None
    return Choice(
        backend, f"as your last run had it, {record.name} ({entries[0].short})"
    )
