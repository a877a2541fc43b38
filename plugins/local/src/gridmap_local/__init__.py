"""The gridmap backend that runs processes on this machine."""
