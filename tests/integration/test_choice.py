"""Which backend a map runs on, and what is said when there is none."""

from pathlib import Path

import pytest
from tests.driver import driving

from gridmap import plugins

BARE = {"PATH": "/no/such/directory", "SGE_CELL": "no-such-cell"}
"""An environment in which no scheduler is to be found."""


def clusters() -> list[str]:
    """Return how the lines begin that say why each cluster cannot be used."""
    names = {one.info.name for one in plugins.installed().backends} - {"local"}
    assert names >= {"sge", "slurm"}
    return [f"  {name}" for name in sorted(names)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "missing"), [("slurm", "sbatch"), ("sge", "SGE_CELL")]
)
def test_a_backend_that_cannot_be_used_says_why(
    tmp_path: Path, backend: str, missing: str
) -> None:
    """An installed backend without its scheduler names what is missing."""
    text = f"""
        from gridmap import grid_map
        from gridmap.errors import BackendUnavailableError
        try:
            grid_map(abs, [-1], backend={backend!r})
        except BackendUnavailableError as error:
            print(error)
    """
    with driving(tmp_path, text, environ=BARE) as driver:
        said = driver.output()
    assert f"backend {backend!r} is installed but not usable here" in said
    assert missing in said
    assert "gridmap backends" in said


@pytest.mark.slow
def test_a_missing_cluster_is_an_error_if_one_is_required(tmp_path: Path) -> None:
    """`require_cluster` raises GridMap's exception, with each backend's reason."""
    text = """
        from gridmap import grid_map, process_jobs, Job, DRMAANotPresentException
        for call in (
            lambda: grid_map(abs, [-1], require_cluster=True),
            lambda: process_jobs([Job(abs, [-1])], require_cluster=True),
        ):
            try:
                call()
            except DRMAANotPresentException as error:
                assert isinstance(error, ImportError)
                print(error)
    """
    with driving(tmp_path, text, environ=BARE) as driver:
        lines = driver.output().splitlines()
    said = "a cluster is required, and none can be used from here:"
    assert [line.partition(": ")[0] for line in lines] == 2 * [said, *clusters()]


@pytest.mark.slow
def test_without_a_cluster_a_map_runs_here_with_one_warning(tmp_path: Path) -> None:
    """`backend=None` falls back to this machine and says so once, and why."""
    text = """
        import logging
        logging.basicConfig()
        from gridmap import grid_map
        print(grid_map(abs, [-1, 2]))
    """
    with driving(tmp_path, text, environ=BARE) as driver:
        assert driver.output() == "[1, 2]\n"
        first, *reasons = driver.stderr.splitlines()
    assert first.startswith("WARNING:gridmap")
    assert "no cluster can be used from here" in first
    assert [reason.partition(": ")[0] for reason in reasons] == clusters()


@pytest.mark.slow
def test_local_true_warns_of_nothing(tmp_path: Path) -> None:
    """Who says `local=True` wants no warning, and no cluster either."""
    text = """
        import logging
        logging.basicConfig()
        from gridmap import grid_map
        print(grid_map(abs, [-1], local=True, require_cluster=True))
    """
    with driving(tmp_path, text, environ=BARE) as driver:
        assert driver.output() == "[1]\n"
        assert driver.stderr == ""
