"""What the entry point loads; imported by every process that looks for plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gridmap.events import AnyEvent


@hookimpl
def gridmap_observer(
    settings: Mapping[str, object],
) -> Callable[[AnyEvent], None] | None:
    """Watch a run that wants a page or metrics; cost the others nothing."""
    if not settings.get("dashboard") and not settings.get("metrics_file"):
        return None
    from gridmap_dashboard.observer import Observer  # noqa: PLC0415 - few runs need it

    return Observer(settings)
