"""Objects to parcels and back."""

import functools
import math
import pickle
import sys
import traceback
from typing import Any, cast

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import UnpicklableError
from gridmap.payload import (
    LARGE_BYTES,
    Parcel,
    dump,
    dump_plain,
    load,
    load_all,
    load_plain,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=30,
)


def there_and_back(obj: object) -> Any:
    """Dump, copy to other memory as a network would, and load."""
    return load(dump(obj, what="it").detach())


@attrs.frozen
class Point:
    """An importable class."""

    x: int


class Word(str):
    """Looks plain, but is not exactly a built-in type."""

    __slots__ = ()


@given(obj=PLAIN)
def test_plain_data_come_back_equal_and_of_the_same_types(obj: object) -> None:
    """Whatever path plain data take, what arrives is what was sent."""
    plain = dump_plain(obj)
    same_as(there_and_back(obj), obj)
    if plain is not None:
        same_as(load(plain), obj)


def same_as(back: object, obj: object) -> None:
    """Equal, and where repr has an order (sets have none) of equal types too."""
    assert back == obj
    assert sorted(repr(back)) == sorted(repr(obj))


@pytest.mark.parametrize(
    "obj",
    [
        (5,),
        (),
        None,
        "text",
        [1, 2.5, b"x", 1j],
        {"a": [1, {"b": (2,)}]},
        {1, 2},
        frozenset("ab"),
        tuple(range(64)),
        [[[[1]]]],
        {"a" * n: n for n in range(64)},
    ],
    ids=repr,
)
def test_small_plain_data_take_the_fast_path(obj: object) -> None:
    """Exact built-in types within the bounds are pickled by plain pickle."""
    assert dump_plain(obj) == pickle.dumps(obj, 5)


@pytest.mark.parametrize(
    "obj",
    [
        (Point(1),),
        Point,
        len,
        Word("x"),
        [Word("x")],
        {"a": Word("x")},
        {Word("x"): 1},
        tuple(range(65)),
        [[0] * 40, [0] * 40],
        dict.fromkeys(range(65)),
        [[[[[1]]]]],
        bytearray(b"x"),
    ],
    ids=lambda obj: repr(obj)[:20],
)
def test_the_fast_path_declines_what_is_not_small_and_plain(obj: object) -> None:
    """Anything but small plain data is left to dump, which takes it."""
    assert dump_plain(obj) is None
    assert repr(there_and_back(obj)) == repr(obj)


def test_the_fast_path_ends_on_a_list_that_contains_itself() -> None:
    """Depth is bounded, so a cycle ends it; dump keeps the cycle."""
    cycle: list[object] = []
    cycle.append(cycle)
    assert dump_plain(cycle) is None
    back = there_and_back(cycle)
    assert back[0] is back


def test_lambdas_closures_and_partials_travel() -> None:
    """Functions that no module has travel by value."""
    offset = 3

    def add(x: int, *, scale: int = 2) -> int:
        return x * scale + offset

    double: Any = lambda x: 2 * x  # noqa: E731 - the subject
    assert there_and_back(add)(5) == 13
    assert there_and_back(double)(4) == 8
    assert there_and_back(functools.partial(add, scale=10))(1) == 13


def test_local_classes_and_their_instances_travel() -> None:
    """Classes that no module has travel by value, and come back as the same class."""

    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    back = there_and_back([Local, Local(3)])
    assert back[0] is Local
    assert back[1].x == 3


def test_importable_functions_travel_by_reference() -> None:
    """A function of a module is a name on the wire, and needs no cloudpickle."""
    parcel = dump(math.sqrt, what="f")
    assert parcel.nbytes < 50
    assert b"cloudpickle" not in bytes(dump(there_and_back, what="f").head)
    assert load(parcel) is math.sqrt


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5),
        np.arange(100_000.0).reshape(100, 1000),
        np.asfortranarray(np.arange(100_000.0).reshape(100, 1000)),
        np.arange(100_000)[::2],
        np.zeros(0),
        np.array([None, "x", 3], dtype=object),
        np.float64(2.5),
    ],
    ids=["small", "large", "fortran", "strided", "empty", "objects", "scalar"],
)
def test_numpy_comes_back_equal_and_writable(array: Any) -> None:
    """Arrays are the user's own on the other side, whatever memory they came in."""
    back = there_and_back(array)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    if back.size and back.shape:
        back.flat[0] = 7
        assert back.flat[0] == 7


def test_a_read_only_array_stays_read_only() -> None:
    """An array that nobody may write to is so on the other side too."""
    array = np.arange(LARGE_BYTES)
    array.flags.writeable = False
    assert not there_and_back(array).flags.writeable


def test_pandas_frames_come_back_equal_and_writable() -> None:
    """A frame with numbers, text and dates survives."""
    frame = pd.DataFrame(
        {
            "n": np.arange(20_000.0),
            "s": ["x", None] * 10_000,
            "t": pd.date_range("2020-01-01", periods=20_000),
        }
    )
    back = there_and_back(frame)
    pd.testing.assert_frame_equal(back, frame)
    back.loc[0, "n"] = 5.0
    assert back.loc[0, "n"] == 5.0


def test_a_large_array_is_not_copied_when_dumped() -> None:
    """100 MB leave as the array's own memory, and a parcel of writable memory loads."""
    array = np.zeros(100_000_000, dtype=np.uint8)
    parcel = dump((array,), what="input 0")
    assert len(parcel.head) < 500
    (buffer,) = parcel.buffers
    assert np.shares_memory(np.frombuffer(buffer, dtype=np.uint8), array)
    (back,) = cast("tuple[Any]", load(parcel))
    assert np.shares_memory(back, array)


@pytest.mark.parametrize(("nbytes", "count"), [(LARGE_BYTES - 8, 0), (LARGE_BYTES, 1)])
def test_only_large_buffers_go_out_of_band(nbytes: int, count: int) -> None:
    """A small array is cheaper inside the stream."""
    parcel = dump(np.zeros(nbytes // 8), what="it")
    assert len(parcel.buffers) == count
    assert parcel.nbytes > nbytes


def test_a_detached_parcel_does_not_see_later_writes() -> None:
    """A generator may fill the same array again while the first is on its way."""
    array = np.zeros(LARGE_BYTES)
    shared = dump(array, what="it")
    detached = shared.detach()
    array[:] = 1
    assert load(detached)[0] == 0  # type: ignore[index]
    assert load(shared)[0] == 1  # type: ignore[index]


def test_an_exception_instance_is_a_value_like_any_other() -> None:
    """What a function returns is not an error for being an exception (B24)."""
    back = there_and_back(ValueError("not raised", 3))
    assert type(back) is ValueError
    assert back.args == ("not raised", 3)


def test_what_cannot_be_pickled_is_named() -> None:
    """The error names what it was, where in it, and why."""
    with pytest.raises(UnpicklableError) as caught:
        dump({"a": [1, (n for n in "abc")]}, what="input 3")
    assert caught.value.what == "input 3"
    assert caught.value.path == "['a'][1]"
    assert "generator" in caught.value.reason


def test_what_raises_while_being_pickled_is_named() -> None:
    """A __getstate__ of a user may raise anything; the error says what."""

    class Locked:
        def __getstate__(self) -> object:
            msg = "vault is closed"
            raise KeyError(msg)

    with pytest.raises(UnpicklableError, match="KeyError: 'vault is closed'") as caught:
        dump(functools.partial(print, Locked()), what="the function")
    assert caught.value.path == ".args[0]"


def test_nesting_without_end_is_named() -> None:
    """Too deep a structure is an error of its own, not a crash."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnpicklableError, match="recursion") as caught:
        dump(deep, what="input 0")
    assert caught.value.path == ""


def test_loading_what_this_process_cannot_import_says_so() -> None:
    """The error of the import reaches the caller."""
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load(Parcel(b"cno_such_module\nf\n."))


def test_modules_registered_to_go_by_value_do() -> None:
    """The registry of cloudpickle counts although plain pickle would take the name."""
    import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        parcel = dump(Point(1), what="it")
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert b"cloudpickle" in bytes(parcel.head)


def test_functions_that_go_by_value_keep_their_files() -> None:
    """So that a traceback of a node, and a debugger, show the lines of the script."""

    def outer() -> str:
        def inner() -> None:
            raise LookupError

        try:
            inner()
        except LookupError as error:
            return "".join(traceback.format_exception(error))
        return ""

    assert "inner()" in outer()
    again: Any = load(dump(outer, what="outer"))
    assert again.__code__ is not outer.__code__
    assert again() == outer()
    assert dump(outer, what="outer") == dump(outer, what="outer")


def explode() -> object:
    """Stand for a value whose class is not here."""
    raise LookupError


class Exploding:
    """A value that cannot be made again."""

    def __reduce__(self) -> tuple[Any, ...]:
        return explode, ()


def test_many_streams_are_loaded_at_once_or_not_at_all() -> None:
    """What has buffers, and what cannot be loaded, is a matter for one at a time."""
    streams = [dump(one, what="it").head for one in (1, "two", [3, None])]
    assert load_all(streams) == [1, "two", [3, None]]
    large = dump(np.zeros(LARGE_BYTES), what="it")
    assert load_all([*streams, large]) is None
    assert load_all([*streams, dump(Exploding(), what="it").head]) is None


def test_plain_data_is_made_again_without_anybodys_code() -> None:
    """What looks up a name, is long, or is no stream is left to who has the time."""
    for value in (None, 1, "two", [3, (None, 4.0)], {"five": b"6"}):
        stream = dump_plain(value)
        assert stream is not None
        assert load_plain(stream) == (value,)
    assert load_plain(dump(Exploding(), what="it").head) is None
    assert load_plain(dump(print, what="it").head) is None
    assert load_plain(pickle.dumps("x" * 5000)) is None
    assert load_plain(b"nonsense") is None
    assert load_plain(dump(b"x", what="it")) is None
