"""``gridmap backends``: what is installed, and whether it can be used here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gridmap.cli.parameters import json_option

if TYPE_CHECKING:
    from typing import Any

    from gridmap.backend import Availability
    from gridmap.cli.choice import Choice
    from gridmap.plugins import BrokenPlugin, InstalledBackend


@click.command("backends", short_help="List backends: usable here, and if not, why.")
@json_option
def command(*, as_json: bool) -> None:
    """List the installed backends: which are usable here, and if not, why.

    A map that names no backend takes the usable one with the highest preference,
    unless a setting names one. Plugins that cannot be loaded are listed with what went
    wrong; they never keep the others from working.
    """
    from gridmap import plugins  # noqa: PLC0415 - see gridmap.cli

    known = plugins.installed()
    found = [(backend, backend.availability()) for backend in known.backends]
    choice, problem = _default()
    if as_json:
        _print_json(found, known.broken, choice, problem)
    else:
        _print(found, known.broken, choice, problem)


def _default() -> tuple[Choice | None, str]:
    """Return what a map would take, or why it would take none."""
    from gridmap.cli.choice import choose  # noqa: PLC0415 - see gridmap.cli
    from gridmap.errors import GridMapError  # noqa: PLC0415
    from gridmap.settings import load_settings  # noqa: PLC0415

    try:
        return choose(None, *load_settings()), ""
    except GridMapError as error:
        return None, str(error)


def _shadow(backend: InstalledBackend, others: list[InstalledBackend]) -> str:
    """Return whose backend of the same name is taken instead; mostly nobody's."""
    first = next(other for other in others if other.info.name == backend.info.name)
    return "" if first is backend else first.distribution


def _print(
    found: list[tuple[InstalledBackend, Availability]],
    broken: list[BrokenPlugin],
    choice: Choice | None,
    problem: str,
) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    everyone = [backend for backend, _ in found]
    names = max((len(backend.info.name) for backend in everyone), default=0)
    for backend, availability in found:
        default = choice is not None and choice.backend is backend
        word = (
            text.Cell("usable    ", "good")
            if availability.usable
            else text.Cell("not usable", "bad")
        )
        name = text.Cell(backend.info.name.ljust(names), "strong")
        text.table([], [[name, word, _notes(backend, availability, default=default)]])
        text.paragraph(backend.info.summary, indent=4)
        text.paragraph(availability.reason, indent=4, style="faint")
        if shadow := _shadow(backend, everyone):
            text.paragraph(
                f"Never taken: {shadow} offers the same name.", indent=4, style="bad"
            )
    if not found:
        text.paragraph("No backend is installed: install gridmap-local, say.")
    for plugin in broken:
        text.paragraph(
            f"The plugin {plugin.name} of {plugin.distribution} is broken and was left "
            "out:",
            style="bad",
        )
        text.paragraph(plugin.error, indent=4)
    click.echo()
    if choice is None:
        text.paragraph(f"A map that names no backend fails: {problem}", style="bad")
    else:
        taken = choice.backend.info.name
        text.paragraph(f"A map that names no backend takes {taken}: {choice.why}.")


def _notes(
    backend: InstalledBackend, availability: Availability, *, default: bool
) -> str:
    notes = [backend.distribution]
    if availability.usable:
        notes.append(f"preference {availability.preference}")
    if backend.info.aliases:
        notes.append(f"also called {', '.join(backend.info.aliases)}")
    if default:
        notes.append("the default")
    return "; ".join(notes)


def _print_json(
    found: list[tuple[InstalledBackend, Availability]],
    broken: list[BrokenPlugin],
    choice: Choice | None,
    problem: str,
) -> None:
    from gridmap.cli import text  # noqa: PLC0415 - see gridmap.cli

    everyone = [backend for backend, _ in found]
    chosen = None if choice is None else choice.backend
    text.as_json(
        {
            "default": None if chosen is None else chosen.info.name,
            "why": problem if choice is None else choice.why,
            "backends": [
                {
                    "name": backend.info.name,
                    "aliases": list(backend.info.aliases),
                    "summary": backend.info.summary,
                    **_origin(backend.distribution),
                    "interface": backend.info.interface,
                    "usable": availability.usable,
                    "reason": availability.reason,
                    "preference": availability.preference,
                    "default": backend is chosen,
                    "shadowed_by": _shadow(backend, everyone) or None,
                }
                for backend, availability in found
            ],
            "broken": [
                {
                    "plugin": plugin.name,
                    **_origin(plugin.distribution),
                    "error": plugin.error,
                }
                for plugin in broken
            ],
        }
    )


def _origin(distribution: str) -> dict[str, Any]:
    name, _, version = distribution.partition(" ")
    return {"distribution": name, "version": version}
