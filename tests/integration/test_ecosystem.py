"""Libraries that take an executor, or a map, take ours."""

from collections.abc import Iterator
from concurrent.futures import as_completed

import numpy as np
import pandas as pd
import pytest
from dask.delayed import delayed as delay
from joblib import Parallel, delayed
from scipy.optimize import differential_evolution, rosen
from tests import jobs
from tqdm import tqdm
from tqdm.contrib import tenumerate, tzip

import gridmap.joblib
from gridmap import GridExecutor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
def executor() -> Iterator[GridExecutor]:
    """Return an executor on this machine with two workers."""
    with GridExecutor(2, backend="local") as made:
        yield made


def test_dask_computes_on_it(executor: GridExecutor) -> None:
    """A graph of delayed calls runs on an executor given as ``scheduler``."""
    squares = [delay(jobs.square)(number) for number in range(10)]
    total = delay(sum)(squares)
    assert total.compute(scheduler=executor) == sum(n * n for n in range(10))


def test_scipy_maps_its_population(executor: GridExecutor) -> None:
    """`workers=executor.map` gives the minimum that the loop gives."""
    options = {"seed": 1, "maxiter": 3, "popsize": 4, "updating": "deferred"}
    bounds = [(0, 2)] * 3
    here = differential_evolution(rosen, bounds, polish=False, **options)
    there = differential_evolution(
        rosen, bounds, polish=False, workers=executor.map, **options
    )
    assert np.array_equal(here.x, there.x)


def test_pandas_groups_go_out_and_come_back(executor: GridExecutor) -> None:
    """Pieces of a frame are arguments, and pieces of a frame are results."""
    frame = pd.DataFrame({"key": list("abab"), "value": [1.0, 2.0, 3.0, 4.0]})
    keys, pieces = zip(*frame.groupby("key"), strict=True)
    means = executor.map(_mean, pieces)
    assert dict(zip(keys, means, strict=True)) == {"a": 2.0, "b": 3.0}


def _mean(piece: pd.DataFrame) -> float:
    return float(piece["value"].mean())


def test_tqdm_counts_results(executor: GridExecutor) -> None:
    """A bar goes round a map, or round futures as they are done, and sees each once."""
    with tqdm(executor.map(jobs.square, range(9)), total=9, disable=False) as bar:
        assert list(bar) == [n * n for n in range(9)]
        assert (bar.n, bar.total) == (9, 9)
    numbered = tenumerate(executor.map(jobs.square, range(9)), total=9)
    assert list(numbered) == [(n, n * n) for n in range(9)]
    assert list(tzip(range(3), executor.map(jobs.square, range(3)))) == [
        (0, 0), (1, 1), (2, 4),
    ]  # fmt: skip
    futures = [executor.submit(jobs.square, n) for n in range(9)]
    with tqdm(as_completed(futures), total=9) as bar:
        assert sum(future.result() for future in bar) == 204
        assert bar.n == 9


def test_joblib_knows_how_many_jobs_there_are() -> None:
    """Negative numbers count from the end, as with every backend of joblib's."""
    local = gridmap.joblib.GridmapBackend(scheduler="local", max_workers=8)
    assert [local.effective_n_jobs(n) for n in (3, -1, -2, None)] == [3, 8, 7, 8]
    elsewhere = gridmap.joblib.GridmapBackend(scheduler="sge")
    assert elsewhere.effective_n_jobs(-1) == gridmap.joblib.MANY
    with pytest.raises(ValueError, match="no meaning"):
        elsewhere.effective_n_jobs(0)


def test_joblib_takes_the_name_without_a_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`Parallel(backend="gridmap", …)` works by itself, and hands its options on."""
    monkeypatch.setenv("GRIDMAP_BACKEND", "none-such")  # which would else be taken
    parallel = Parallel(n_jobs=2, backend="gridmap", scheduler="local")
    assert parallel(delayed(pow)(n, 2) for n in range(5)) == [0, 1, 4, 9, 16]
