"""What a run goes by, read at each run from arguments, environment and files.

Nothing is read when this is imported, so a variable that is set later still counts.
"""

from gridmap.settings.kinds import PortRange
from gridmap.settings.sources import Level, Origin, Origins, load_settings
from gridmap.settings.values import GRIDMAPS_NAMES, Settings, variables

__all__ = [
    "GRIDMAPS_NAMES",
    "Level",
    "Origin",
    "Origins",
    "PortRange",
    "Settings",
    "load_settings",
    "variables",
]
