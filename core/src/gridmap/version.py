"""The version of gridmap-core, in its one place."""

__version__ = "0.1.0"

VERSION = (0, 1, 0)
"""The same as numbers, as GridMap had it."""
