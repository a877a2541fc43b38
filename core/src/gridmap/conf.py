"""GridMap's constants under GridMap's names, each as it stands at this moment.

``gridmap.conf.NUM_RESUBMITS`` looks at environment and files anew whenever it is asked
for; GridMap looked once, when it was imported. To change a setting, set its environment variable or write it to ``gridmap.toml``: assigning to a
name here changes nothing, as ever.

Example:
    >>> import os, gridmap.conf
    >>> os.environ["NUM_RESUBMITS"] = "1"
    >>> gridmap.conf.NUM_RESUBMITS
    1
    >>> del os.environ["NUM_RESUBMITS"]
"""

from __future__ import annotations

from typing import Final

from gridmap.settings import GRIDMAPS_NAMES, load_settings

_CLUSTER_PREFERENCE: Final = 10
"""What `gridmap.backend.Availability` says a cluster's preference is at least."""

_SETTINGS: Final = {
    name: setting
    for name, setting in GRIDMAPS_NAMES.items()
    if not name.startswith("GRIDMAP_")
}

# GridMap's times were whole numbers, and users put them into texts.
_WHOLE: Final = frozenset(
    {"CHECK_FREQUENCY", "HEARTBEAT_FREQUENCY", "MAX_TIME_BETWEEN_HEARTBEATS"}
)


def __getattr__(name: str) -> object:
    """Return one of GridMap's constants."""
    if name == "DRMAA_PRESENT":
        return cluster_present()
    if name not in _SETTINGS:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    settings, _ = load_settings()
    value: object = getattr(settings, _SETTINGS[name])
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def __dir__() -> list[str]:
    """List GridMap's constants too."""
    return sorted({*globals(), *_SETTINGS, "DRMAA_PRESENT"})


def cluster_present() -> bool:
    """Return whether an installed backend finds a cluster it can use from here.

    Cheap: it asks the installed backends for their quick check, starts no process and
    loads no scheduler's library.
    """
    from gridmap.plugins import installed  # noqa: PLC0415 - looks at what is installed

    best = installed().best()
    return best is not None and best[1].preference >= _CLUSTER_PREFERENCE
