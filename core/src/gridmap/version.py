"""The version of gridmap-core, in its one place."""

__version__ = "0.1.0"
