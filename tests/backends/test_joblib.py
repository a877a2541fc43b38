"""joblib, and with it scikit-learn, on each backend: as in a loop, only elsewhere."""

import gc
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVC
from tests.sites import Site

import gridmap.joblib  # noqa: F401 - registers the backend
from gridmap.errors import RemoteTraceback

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def here() -> Iterator[dict[str, Any]]:
    """What names this machine to joblib."""
    yield {"scheduler": "local", "n_jobs": 2}
    gc.collect()


@pytest.fixture
def on_site(site: Site) -> Iterator[dict[str, Any]]:
    """What names the site to joblib; afterwards nobody holds its runners."""
    yield {"scheduler": site.backend, "name": site.options["name"], "n_jobs": 2}
    gc.collect()


def _study() -> list[Any]:
    """Do what people do with scikit-learn."""
    features, labels = load_iris(return_X_y=True)
    grid = {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}
    search = GridSearchCV(SVC(), grid).fit(features, labels)
    forest = RandomForestClassifier(10, random_state=3).fit(features, labels)
    return [
        search.best_params_,
        search.cv_results_["mean_test_score"].tolist(),
        cross_val_score(SVC(), features, labels, cv=5).tolist(),
        forest.predict_proba(features).tolist(),
    ]


def test_scikit_learn_gives_what_it_gives_alone(on_site: dict[str, Any]) -> None:
    """Grid search, cross validation and a random forest are equal to the last bit."""
    alone = _study()
    with parallel_config("gridmap", **on_site):
        assert _study() == alone


def test_many_small_calls_come_back_in_order(on_site: dict[str, Any]) -> None:
    """Calls are handed in by batches, and runners stay for a second `Parallel`."""
    with parallel_config("gridmap", **on_site):
        for count in (1000, 10):
            values = Parallel()(delayed(math.sqrt)(n) for n in range(count))
            assert values == [math.sqrt(n) for n in range(count)]


def test_an_exception_is_the_callers(on_site: dict[str, Any]) -> None:
    """It keeps its type and tells where it was raised; the next `Parallel` works."""
    with parallel_config("gridmap", **on_site):
        with pytest.raises(ValueError, match="math domain") as caught:
            Parallel()(delayed(math.sqrt)(2 - n) for n in range(100))
        assert isinstance(caught.value.__cause__, RemoteTraceback)
        assert Parallel()(delayed(abs)(n) for n in (-1, 2)) == [1, 2]


def test_results_can_be_generated(here: dict[str, Any]) -> None:
    """`return_as="generator"` works, large arrays too."""
    with parallel_config("gridmap", **here):
        results = Parallel(return_as="generator")(
            delayed(np.full)(100_000, n) for n in range(4)
        )
        assert [float(array[-1]) for array in results] == [0.0, 1.0, 2.0, 3.0]


def test_calls_may_use_joblib_themselves(here: dict[str, Any]) -> None:
    """A `Parallel` inside of a call runs there, and asks no scheduler."""

    def inner(count: int) -> int:
        return sum(Parallel(n_jobs=2)(delayed(abs)(-n) for n in range(count)))

    with parallel_config("gridmap", **here):
        assert Parallel()(delayed(inner)(n) for n in range(4)) == [0, 0, 1, 3]
