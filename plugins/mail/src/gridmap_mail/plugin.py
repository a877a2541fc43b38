"""The door of the plugin: passes a run's events on, if the run has mail to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.events import RunEnded, RunStarted
from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from gridmap.events import Event
    from gridmap_mail.correspondent import Correspondent

_correspondents: dict[str, Correspondent] = {}
"""Each run of this process that may send mail; each has a thread that calls."""


@hookimpl
def gridmap_event(event: Event) -> None:
    """Watch a run that was asked to send mail; the others cost a look in a table."""
    if isinstance(event, RunStarted):
        if event.completion_mail or event.settings.get("send_error_mail"):
            from gridmap_mail.correspondent import (  # noqa: PLC0415 - few runs send mail
                Correspondent,
            )

            _correspondents[event.run] = Correspondent(event)
        return
    correspondent = _correspondents.get(event.run)
    if correspondent is None:
        return
    if isinstance(event, RunEnded):
        del _correspondents[event.run]
    correspondent.see(event)
