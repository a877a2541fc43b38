"""The example of the page "Write a backend" is a backend: it passes the suite."""

import pytest

from gridmap import JobException, grid_map
from gridmap.testing import BackendConformance


@pytest.mark.usefixtures("toyq")
class TestToyq(BackendConformance):
    backend = "toyq"


@pytest.mark.usefixtures("toyq")
def test_a_map_runs_on_it() -> None:
    """A whole map goes through the example."""
    assert grid_map(abs, range(-20, 0), backend="toyq") == list(range(20, 0, -1))


@pytest.mark.usefixtures("toyq")
def test_what_it_does_not_know_is_refused() -> None:
    """As the page says that a backend should."""
    with pytest.raises(JobException, match="toyq knows no graphics processors"):
        grid_map(abs, [-1], backend="toyq", gpu=1)
