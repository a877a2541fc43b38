"""Real two-node Grid Engine and Slurm clusters on one Debian machine.

``python3 tests/cluster up`` starts them; README.md beside this file says how they are
built.
"""
