"""``gridmap conform`` from a user's command line, on real clusters."""

import subprocess
import sys

import pytest
from tests.sites import Site

HELD = {"sge": "-h", "slurm": "--hold"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_site_can_try_its_own_cluster(cluster_site: Site) -> None:
    """A few cases, one of them with a runner that waits; nothing is left behind."""
    name = cluster_site.backend
    words = ["-k", "render or each_runner or in_the_queue", f"--held={HELD[name]}"]
    command = [sys.executable, "-m", "gridmap", "conform", name, *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  kill in the queue" in done.stdout
    assert f"{name} conforms: 5 passed." in done.stdout
