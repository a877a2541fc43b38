"""Make the workspace depend on its members where they lie.

A member's address is the checkout's own path, so no file can state it: this hook
writes ``gridmap-core @ file:///…/core`` and so on when the metadata is built.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class WorkspaceMetadataHook(MetadataHookInterface):
    """Adds every member as a dependency with a ``file:`` address."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the dependencies.

        Args:
            metadata: The ``[project]`` table, changed in place.
        """
        root = Path(self.root).resolve()
        members = [
            root / "core",
            *sorted(p.parent for p in root.glob("plugins/*/pyproject.toml")),
        ]
        metadata["dependencies"] = [
            f"{_name(member)} @ {member.as_uri()}" for member in members
        ]


def _name(member: Path) -> str:
    """Return the name of the distribution in *member*."""
    with (member / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["name"])
