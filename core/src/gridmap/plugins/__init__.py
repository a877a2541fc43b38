"""Finding plugins, choosing a backend, and calling its verbs through types.

The only package besides `gridmap.hookspecs` that knows pluggy. Everything a plugin
returns is checked here, so that the rest of core can trust its types, and every
failure names the plugin and its version.
"""

from gridmap.plugins.discovery import (
    GROUP,
    BrokenPlugin,
    InstalledBackend,
    Plugins,
    installed,
    load_backend,
)
from gridmap.plugins.relay import RunPlugins, describe, identify

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
