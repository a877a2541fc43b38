"""Grid Engine passes the conformance suite, on a real cluster."""

import pytest

from gridmap.resources import Resources
from gridmap.testing import BackendConformance

pytestmark = [pytest.mark.cluster("sge"), pytest.mark.slow, pytest.mark.timeout(120)]


class TestGridEngine(BackendConformance):
    backend = "sge"
    start_within_s = 30.0  # the scheduler runs once a second, and starts 8 at a time
    end_within_s = 30.0
    kill_within_s = 30.0
    account_within_s = 40.0
    poll_gap_s = 0.1

    @pytest.fixture
    def held(self) -> Resources | None:
        """A job that waits until somebody lets it go."""
        return Resources(native=("-h",))
