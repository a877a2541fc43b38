"""``gridmap settings``: what holds here and now, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridmap.settings import Origin, Origins, Settings


@click.command("settings", short_help="Show each setting and where it stands.")
@json_option
def command(*, as_json: bool) -> None:
    """Show every setting, its value, and where that value stands.

    What an argument of a call says wins; then environment variables (GRIDMAP_NAME, and
    the names GridMap had); then the nearest gridmap.toml at or above the working
    directory; then the user's; then the site's, /etc/gridmap/gridmap.toml.
    """
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli
    from gridmap.settings import Level, load_settings, variables  # noqa: PLC0415

    settings, origins = load_settings()
    rows = list(_rows(settings, origins))
    if as_json:
        listed = {
            name: {
                "value": value,
                "level": origin.level.value,
                "place": origin.place,
                "variables": [] if "." in name else list(variables(name)),
            }
            for name, value, origin in rows
        }
        text.as_json({"settings": listed})
        return
    text.table(
        ("Setting", "Value", "From"),
        [
            (name, _shown(value), text.Cell(origin.place, "faint"))
            if origin.level is Level.DEFAULT
            else (
                text.Cell(name, "strong"),
                text.Cell(_shown(value), "strong"),
                origin.place,
            )
            for name, value, origin in rows
        ],
    )


def _rows(settings: Settings, origins: Origins) -> Iterator[tuple[str, object, Origin]]:
    """Yield name, value and origin; a backend's options come after the settings."""
    for name, origin in origins.items():
        if "." not in name:
            yield name, getattr(settings, name), origin
    for backend, options in sorted(settings.backends.items()):
        for option, value in options.items():
            name = f"backends.{backend}.{option}"
            yield name, value, origins[name]


def _shown(value: object) -> str:
    """Return a value as it could be written in an environment variable."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return str(value)
