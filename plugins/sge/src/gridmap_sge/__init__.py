"""The gridmap backend for Grid Engine."""
