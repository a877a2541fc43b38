"""What jobs share reaches each node of a cluster once, whatever the scheduler."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests import jobs
from tests.sites import Site

from gridmap import grid_map

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
