"""GridMap's names for packing an object."""

import bz2
import pickle

from hypothesis import given
from hypothesis import strategies as st

from gridmap.data import zdumps, zloads


@given(obj=st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_an_object_comes_back(obj: object) -> None:
    """What zdumps packed, zloads unpacks."""
    assert zloads(zdumps(obj)) == obj


def test_the_form_is_gridmaps() -> None:
    """Programs that read it by themselves find bz2 around the highest protocol."""
    packed = zdumps([1, 2])
    assert packed[:4] == b"BZh9"
    assert bz2.decompress(packed)[:2] == bytes([0x80, pickle.HIGHEST_PROTOCOL])


def test_lambdas_are_packed() -> None:
    """The pickling is done by cloudpickle."""
    assert zloads(zdumps(lambda x: x + 1))(2) == 3  # type: ignore[operator]
