"""Keyword arguments that all calls of a map have alike."""

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests import jobs

from gridmap import grid_map
from gridmap.errors import InvalidRequestError
from gridmap.job import bind_shared


def test_a_function_is_called_with_what_is_shared() -> None:
    """By name, beside its input."""
    call = bind_shared(jobs.describe, {"table": [1], "depth": 2})
    assert call(3) == ((3,), {"table": [1], "depth": 2})


@pytest.mark.parametrize("shared", [None, {}], ids=["none", "empty"])
def test_a_function_with_nothing_shared_stays_as_it_is(shared: Any) -> None:
    """It is not even wrapped."""
    assert bind_shared(jobs.add, shared) is jobs.add


@pytest.mark.parametrize(
    ("function", "shared", "told"),
    [
        pytest.param(jobs.add, [1], "shared=.* expected a mapping", id="no mapping"),
        pytest.param(jobs.add, 0, "shared=0 .* mapping", id="nothing of it"),
        pytest.param(jobs.add, {1: 2}, "1 is no text", id="no name"),
        pytest.param(jobs.add, {"up": 2}, "unexpected keyword argument 'up'", id="new"),
        pytest.param(abs, {"x": 2}, "positional only|keyword", id="positional only"),
        pytest.param(
            functools.partial(jobs.add, 1), {"left": 2}, "left", id="taken already"
        ),
    ],
)
def test_what_cannot_be_shared_is_refused_early(
    function: Callable[..., Any], shared: Any, told: str
) -> None:
    """Before anything is submitted, with what is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        grid_map(function, [1], shared=shared, backend="local")
    assert re.search(told, str(caught.value))


def test_a_builtin_that_does_not_tell_its_parameters_is_believed() -> None:
    """What it takes is found out when it is called."""
    assert bind_shared(dict, {"a": 1})() == {"a": 1}
