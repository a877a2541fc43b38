"""Slurm passes the conformance suite, on a real cluster."""

import pytest

from gridmap.resources import Resources
from gridmap.testing import BackendConformance

pytestmark = [pytest.mark.cluster("slurm"), pytest.mark.slow, pytest.mark.timeout(120)]


class TestSlurm(BackendConformance):
    backend = "slurm"
    start_within_s = 30.0
    end_within_s = 30.0
    kill_within_s = 30.0  # KillWait between SIGTERM and SIGKILL
    account_within_s = 30.0
    poll_gap_s = 0.1

    @pytest.fixture
    def held(self) -> Resources | None:
        """A job that waits until somebody lets it go."""
        return Resources(native=("--hold",))
