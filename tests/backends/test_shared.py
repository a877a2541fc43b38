"""What jobs share reaches each node of a cluster once, whatever the scheduler."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests import jobs
from tests.sites import Site

from gridmap import GridExecutor, grid_map

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SIZE = 8 << 20


def test_a_nodes_runners_have_what_jobs_share_in_one_memory(
    cluster_site: Site, tmp_path: Path
) -> None:
    """Two nodes fetch it, and each has it in one place for all that run there.

    Both are on one kernel, which gives every memory a number of its own.
    """
    count = 8
    table = np.random.default_rng(1).integers(0, 256, SIZE, np.uint8)
    values = grid_map(
        functools.partial(jobs.share, str(tmp_path), count),
        range(count),
        shared={"table": table},
        max_workers=count,
        jobs_per_runner=1,
        **cluster_site.options,
    )
    assert len({(node, runner) for node, runner, *_ in values}) == count
    assert {digest for _, _, digest, _ in values} == {
        hashlib.sha256(bytes(table)).hexdigest()
    }
    held = {
        node: set.intersection(*(m for other, *_, m in values if other == node))
        for node in {node for node, *_ in values}
    }
    assert len(held) == 2, "each node has four slots"
    (one,), (other,) = held.values()
    assert one != other


def test_large_results_stay_what_they_were(cluster_site: Site) -> None:
    """Memory of those that are gone is filled again, and of no other."""
    with GridExecutor(1, **cluster_site.options) as executor:
        held = {}
        for number in range(12):
            table = np.random.default_rng(number).integers(0, 256, SIZE, np.uint8)
            result = executor.submit(np.flip, table).result()
            assert np.array_equal(np.flip(result), table)
            if number in (3, 4, 8):
                held[number] = result
    for number, result in held.items():
        table = np.random.default_rng(number).integers(0, 256, SIZE, np.uint8)
        assert np.array_equal(np.flip(result), table)
