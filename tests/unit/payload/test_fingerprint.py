"""What means the same has the same fingerprint, in this process and in the next."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.payload.fingerprint import fingerprint

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.tuples(inner, inner)
    | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def twin(value: Any) -> Any:
    """Return an equal value that shares nothing."""
    if isinstance(value, dict):
        return dict(reversed([(key, twin(item)) for key, item in value.items()]))
    if isinstance(value, list | tuple):
        return type(value)(map(twin, value))
    return value


@given(value=PLAIN)
def test_equal_values_mean_the_same(value: object) -> None:
    """However they came about, and in whatever order a dict was filled."""
    assert fingerprint(value) == fingerprint(twin(value))


@given(one=PLAIN, other=PLAIN)
def test_different_values_do_not(one: object, other: object) -> None:
    """Also those that compare equal and are of different types."""
    if repr(one) != repr(other) and one != other:
        assert fingerprint(one) != fingerprint(other)


def make(exponent: int) -> Any:
    return lambda number: number**exponent


class Model:
    def __init__(self, weights: list[float]) -> None:
        self.weights = weights

    def __call__(self, x: float) -> float:
        return x * sum(self.weights)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        pytest.param(make(2), make(2), make(3), id="closure"),
        pytest.param(
            functools.partial(pow, 2), functools.partial(pow, 2),
            functools.partial(pow, 3), id="partial",
        ),
        pytest.param(Model([1.0]), Model([1.0]), Model([2.0]), id="instance"),
        pytest.param(
            Model([1.0]).__call__, Model([1.0]).__call__, Model([2.0]).__call__,
            id="method",
        ),
        pytest.param(
            np.arange(5), np.arange(5), np.arange(6), id="array",
        ),
        pytest.param({"b", "a", "c"}, {"c", "a", "b"}, {"a", "b"}, id="set"),
        pytest.param(1, 1, True, id="type"),
        pytest.param(len, len, max, id="builtin"),
        pytest.param(Path("a"), Path("a"), Path("b"), id="path"),
    ],
)  # fmt: skip
def test_what_an_object_means_counts(one: Any, same: Any, other: Any) -> None:
    """State, code and what is closed over; not who it is."""
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)


def test_a_circle_ends() -> None:
    """An object that holds itself has a fingerprint too."""
    circle: list[Any] = [1]
    circle.append(circle)
    assert fingerprint(circle) == fingerprint(circle)


SCRIPT = """
    import sys
    from gridmap.payload.fingerprint import fingerprint

    FACTOR = {factor}
    WORDS = {{"some", "words", "in", "a", "set"}}

    def helper(x):
        return x * FACTOR

    def function(x, words=frozenset({{"p", "q", "r"}})):
        {comment}
        return helper(x) if str(x) in WORDS or x in {{"k", "l", "m"}} else words

    sys.stdout.write(fingerprint(function).hex())
"""


def told(tmp_path: Path, seed: int, factor: int = 2, comment: str = "pass") -> str:
    """Return the fingerprint of a script's function, as a process of its own sees it."""
    script = tmp_path / f"script{seed}.py"
    script.write_text(textwrap.dedent(SCRIPT).format(factor=factor, comment=comment))
    return subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_next_process_sees_the_same(tmp_path: Path) -> None:
    """Under another hash seed, in another file, on another line; not with other code."""
    first = told(tmp_path, 1)
    assert first == told(tmp_path, 2, comment="# a remark\n    pass")
    assert first != told(tmp_path, 3, factor=3)
    assert first != told(tmp_path, 4, comment="x = x + 1")
