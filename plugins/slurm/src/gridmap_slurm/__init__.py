"""The gridmap backend for Slurm."""
