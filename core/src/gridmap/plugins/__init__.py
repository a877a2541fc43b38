"""Finding plugins, choosing a backend, and calling its verbs through types.

The only package besides `gridmap.hookspecs` that knows pluggy. Everything a plugin
returns is checked here, so that the rest of core can trust its types, and every
failure names the plugin and its version.

A name's module is imported when it is first used: a runner needs `node` only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gridmap.plugins.discovery import (
        BrokenPlugin,
        InstalledBackend,
        Plugins,
        installed,
    )
    from gridmap.plugins.entries import GROUP
    from gridmap.plugins.node import describe, identify, load_backend
    from gridmap.plugins.relay import RunPlugins

_HOMES: Final = {
    "GROUP": "entries",
    "BrokenPlugin": "discovery",
    "InstalledBackend": "discovery",
    "Plugins": "discovery",
    "RunPlugins": "relay",
    "describe": "node",
    "identify": "node",
    "installed": "discovery",
    "load_backend": "node",
}

__all__ = [
    "GROUP",
    "BrokenPlugin",
    "InstalledBackend",
    "Plugins",
    "RunPlugins",
    "describe",
    "identify",
    "installed",
    "load_backend",
]


def __getattr__(name: str) -> Any:
    """Import what *name* is in."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
