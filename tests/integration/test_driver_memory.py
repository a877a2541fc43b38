"""A script that may not have the memory that its results need."""

from pathlib import Path

import pytest
from tests.driver import driving

SCRIPT = """
    import resource, sys
    import psutil
    from gridmap import grid_map
    from gridmap.events import RunnerUp

    def large(count):
        return {what}

    def watch(event):
        if isinstance(event, RunnerUp):
            used = psutil.Process().memory_info().vms
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))

    try:
        grid_map(large, [{count}], backend="local", max_workers=1, progress=watch)
    except MemoryError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("what", "count"),
    [("bytes(count)", 2**28), ("list(range(count))", 6_000_000)],
    ids=["frames", "objects"],
)
def test_a_driver_out_of_memory_is_told_so(
    tmp_path: Path, what: str, count: int
) -> None:
    """As no bug and no fault of the job's; with its limit, and what to do."""
    text = SCRIPT.format(what=what, count=count)
    with driving(tmp_path, text) as driver:
        assert driver.process.wait(60) == 0, driver.stderr
    assert driver.stdout.startswith(
        "DriverMemoryError out of memory: the process that "
    )
    for part in ("ulimit -v", "could not", "give it more"):
        assert part in driver.stdout
    assert "bug" not in driver.stderr
