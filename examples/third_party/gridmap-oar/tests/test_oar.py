"""The backend passes gridmap's conformance suite, with a real OAR."""

import pytest

from gridmap import grid_map
from gridmap.resources import Resources
from gridmap.testing import BackendConformance


class TestOar(BackendConformance):
    backend = "oar"
    start_within_s = 60.0
    end_within_s = 60.0
    kill_within_s = 60.0
    account_within_s = 60.0
    polls = 5  # each costs OAR a third of a second of a processor
    array = 2
    largest_array_tried = 8  # OAR ends its jobs one after another

    @pytest.fixture
    def held(self) -> Resources | None:
        """A job that waits until somebody lets it go."""
        return Resources(native=("--hold",))


def test_a_map_runs_on_it() -> None:
    """A whole map goes through it."""
    assert grid_map(abs, range(-20, 0), backend="oar") == list(range(20, 0, -1))


def test_what_would_wait_for_ever_is_refused() -> None:
    """More cores than a node has is a mistake, told at once and in OAR's words."""
    with pytest.raises(Exception, match="not enough resources"):
        grid_map(abs, [1], backend="oar", resources=Resources(cores=1000))
