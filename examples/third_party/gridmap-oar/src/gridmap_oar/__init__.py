"""A gridmap backend for OAR, a batch scheduler for clusters."""
