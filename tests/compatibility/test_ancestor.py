"""What GridMap's own tests and examples asked for, in words of our own.

Nothing here says which backend: a map runs on the cluster if there is one, and else on
this machine.
"""

import functools
import logging
import multiprocessing
import threading
from pathlib import Path

import pytest
from tests.driver import driving
from tests.sites import Site

import gridmap.conf
from gridmap import (
    HEARTBEAT_FREQUENCY,
    MAX_TIME_BETWEEN_HEARTBEATS,
    Job,
    grid_map,
    process_jobs,
)

pytestmark = pytest.mark.timeout(60)

INPUTS = [(3, 1), (5, 2), (4, 4), (1, 1), (2, 9)]


def power_sum(pair: tuple[int, int], wait_s: float = 0.0) -> int:
    """Take a while, then compute something of a tuple, which comes whole."""
    threading.Event().wait(wait_s)
    base, exponent = pair
    return sum(base**n for n in range(exponent + 1))


def plus(left: int, right: int) -> int:
    """Add."""
    return left + right


def spread_over_processes(numbers: list[int]) -> list[int]:
    """Let other processes work while this one is idle."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(functools.partial(plus, 1), numbers)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs outlast heartbeats and the silence limit within a second or two."""
    monkeypatch.setenv("HEARTBEAT_FREQUENCY", "0")
    monkeypatch.setenv("MAX_TIME_BETWEEN_HEARTBEATS", "0")


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("wait_s", [0.0, 0.3, 1.5])
def test_a_map_equals_a_loop(site: Site, wait_s: float) -> None:
    """However long the jobs take, compared with heartbeats and their limit."""
    del site
    function = functools.partial(power_sum, wait_s=wait_s)
    results = grid_map(
        function, INPUTS, quiet=False, local=False, require_cluster=False
    )
    assert results == [power_sum(pair) for pair in INPUTS]


def test_a_local_map_equals_a_loop() -> None:
    """The same on this machine."""
    results = grid_map(power_sum, INPUTS, quiet=False, local=True)
    assert results == [power_sum(pair) for pair in INPUTS]


def test_a_partial_can_be_mapped(site: Site) -> None:
    """Partial objects, which have no name."""
    del site
    function = functools.partial(plus, 2)
    assert grid_map(function, [1, 2, 4], quiet=False) == [3, 4, 6]
    assert grid_map(function, [1, 2, 4], quiet=False, local=True) == [3, 4, 6]


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("wait_s", [0.0, 0.3, 1.5])
def test_jobs_equal_a_loop(site: Site, wait_s: float) -> None:
    """`process_jobs` with one positional argument a job."""
    del site
    function = functools.partial(power_sum, wait_s=wait_s)
    made = [Job(function, [pair]) for pair in INPUTS]
    results = process_jobs(made, quiet=False, local=False, require_cluster=False)
    assert results == [power_sum(pair) for pair in INPUTS]


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_a_job_whose_parent_is_idle_is_left_alone(site: Site) -> None:
    """A job may wait for processes it has started."""
    del site
    (result,) = process_jobs([Job(spread_over_processes, [[1, 2, 3]])], quiet=False)
    assert result == [2, 3, 4]


@pytest.mark.slow
def test_no_cluster_is_an_error_where_one_is_required(tmp_path: Path) -> None:
    """The exception comes before any work."""
    text = """
        import gridmap.conf
        from gridmap import DRMAANotPresentException, Job, grid_map, process_jobs
        assert not gridmap.conf.DRMAA_PRESENT
        for call in (
            lambda: grid_map(print, ["!"], local=False, require_cluster=True),
            lambda: process_jobs([Job(print, ["!"])], require_cluster=True),
        ):
            try:
                call()
            except DRMAANotPresentException:
                print("refused")
    """
    bare = {"PATH": "/no/such/directory", "SGE_CELL": "no-such-cell"}
    with driving(tmp_path, text, environ=bare) as driver:
        assert driver.output() == "refused\nrefused\n"


def test_the_constants_are_numbers_to_reckon_with() -> None:
    """The ancestor's tests add to them."""
    assert HEARTBEAT_FREQUENCY + 1 == 11
    assert MAX_TIME_BETWEEN_HEARTBEATS + 1 == 91
    assert gridmap.conf.NUM_RESUBMITS == 3


MANUAL = """
    import logging
    from gridmap import Job, process_jobs, grid_map

    def wait_and_square(n):
        return n * n

    def main():
        logging.basicConfig(level=logging.WARNING)
        made = [Job(wait_and_square, [n], queue='all.q') for n in (3, 5, 10, 20)]
        for number, result in enumerate(process_jobs(made, max_processes=4)):
            print(number, result)
        print(grid_map(wait_and_square, [3, 5], quiet=False, max_processes=4,
                       queue='all.q'))

    if __name__ == '__main__':
        main()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_the_examples_run(tmp_path: Path) -> None:
    """Functions of the script, and the queue that every example of GridMap names."""
    with driving(tmp_path, MANUAL) as driver:
        assert driver.output(50) == "0 9\n1 25\n2 100\n3 400\n[9, 25]\n"


def test_grid_engines_words_are_ignored_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On this machine `queue` and the like mean nothing, and that is said once."""
    with caplog.at_level(logging.WARNING, "gridmap"):
        results = grid_map(abs, [-1, -2], queue="all.q", par_env="smp", local=True)
    assert results == [1, 2]
