"""Exceptions that travel."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.payload.odd import (
    Chosen,
    Disguised,
    Fielded,
    Holding,
    Mute,
    Plain,
    Prefixed,
    Slotted,
    Stubborn,
    System,
    TwoArguments,
    chained,
)

from gridmap.errors import RemoteError, RemoteTraceback, UnpicklableError
from gridmap.payload import (
    Parcel,
    dump,
    dump_exception,
    load,
    load_exception,
)


def there_and_back(exc: BaseException, text: str = "the text\n") -> Any:
    """Dump, copy to other memory as a network would, and load."""
    return load_exception(dump_exception(exc, text).detach())


@pytest.mark.parametrize(
    "exc",
    [
        Plain("x", 3),
        ValueError(),
        KeyError("k"),
        FileNotFoundError(2, "No such file", "/a/file"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ImportError("no", name="mod", path="p"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration(4),
        ExceptionGroup("several", [ValueError("a"), Plain("b")]),
        TwoArguments(3, "home"),
        Prefixed("a.txt"),
        System("/x", retry=True),
        Chosen(4, "there"),
        UnpicklableError("the result", ".lock", "no"),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_an_exception_keeps_class_arguments_text_and_attributes(
    exc: BaseException,
) -> None:
    """Users catch and read their own exceptions, however their __init__ looks."""
    back = there_and_back(exc)
    assert type(back) is type(exc)
    assert str(back) == str(exc)
    assert repr(back.args) == repr(exc.args)
    assert vars(back) == vars(exc)
    for name in ("errno", "filename", "name", "code", "value", "object"):
        assert getattr(back, name, None) == getattr(exc, name, None)


@pytest.mark.parametrize("exc", [Fielded(size=4), Slotted("four", 4)], ids=repr)
def test_attributes_in_slots_travel(exc: Fielded | Slotted) -> None:
    """Also those of frozen classes."""
    back = there_and_back(exc)
    assert type(back) is type(exc)
    assert back.size == 4


def test_the_remote_traceback_is_the_cause() -> None:
    """Python prints it above the user's own traceback."""
    back = there_and_back(Plain("x"), "Traceback: line 5\n")
    assert isinstance(back.__cause__, RemoteTraceback)
    assert back.__cause__.text == "Traceback: line 5\n"


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (Holding("held"), r"\.lock: cannot pickle '_thread.lock' object"),
        (Stubborn(1, "x"), "cannot be made again: TypeError: .* 'where'"),
        (Disguised("d"), "it came back as ValueError"),
        (ExceptionGroup("several", [Holding("held")]), "cannot pickle"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_travel_is_described(exc: BaseException, reason: str) -> None:
    """A stand-in tells class, text, traceback and reason."""
    back = there_and_back(exc)
    assert type(back) is RemoteError
    assert back.type_name.endswith(type(exc).__name__)
    assert back.text == str(exc)
    assert back.traceback_text == "the text\n"
    assert isinstance(back.__cause__, RemoteTraceback)
    with pytest.raises(RemoteError, match=reason):
        raise back


def test_an_exception_without_text_is_described() -> None:
    """A __str__ that raises does not get in the way."""
    mute = Mute()
    mute.lock = threading.Lock()
    back = there_and_back(mute)
    assert back.text == "(no message: str() raised RuntimeError)"
    assert type(there_and_back(Mute("x"))) is Mute


def test_a_very_long_text_loses_its_middle() -> None:
    """A message of gigabytes would be sent several times otherwise."""
    back = there_and_back(Holding("a" + "x" * 1_000_000 + "z"))
    assert len(back.text) < 11_000
    assert back.text.startswith("ax")
    assert back.text.endswith("xz")


def test_causes_contexts_and_notes_travel() -> None:
    """The chain behind an exception is there to be looked at."""
    second, third = Holding("second"), Plain("third")
    second.__context__ = KeyError("first")
    third.__cause__ = second
    third.add_note("take care")
    back = there_and_back(third)
    assert back.__notes__ == ["take care"]
    assert isinstance(back.__cause__, RemoteTraceback)
    assert type(back.__context__) is RemoteError
    assert back.__context__.text == "second"
    assert repr(back.__context__.__context__) == "KeyError('first')"


def test_notes_survive_a_reduce_that_forgets_them() -> None:
    """Notes travel beside the exception too."""
    exc = Chosen(1, "x")
    exc.add_note("take care")
    assert there_and_back(exc).__notes__ == ["take care"]


def test_odd_notes_are_dropped() -> None:
    """Notes that are no list are not worth an error."""
    exc: Any = Holding("x")
    exc.__notes__ = 5
    assert not hasattr(there_and_back(exc), "__notes__")


def test_a_long_chain_is_cut_and_a_ring_ends() -> None:
    """However long the chain, the parcel is bounded."""
    length, link = 0, there_and_back(chained(30))
    link = link.__context__
    while link is not None:
        length, link = length + 1, link.__cause__
    assert 3 < length < 30
    ring, other = Plain("a"), Plain("b")
    ring.__context__, other.__context__ = other, ring
    back = there_and_back(ring)
    assert back.__context__.args == ("b",)
    assert back.__context__.__context__ is back


def test_suppressed_contexts_stay_suppressed() -> None:
    """``raise ... from None`` says something on the other side too."""
    inner, outer = Plain("inner"), Plain("outer")
    inner.__context__, outer.__context__ = Plain("before"), inner
    assert not there_and_back(outer).__context__.__suppress_context__
    inner.__suppress_context__ = True
    assert there_and_back(outer).__context__.__suppress_context__


def test_large_attributes_go_beside_the_stream() -> None:
    """Arrays in exceptions, also in their causes, come back as they were."""
    exc, cause = Plain(np.zeros(100_000)), Plain(np.ones(100_000), np.ones(100_000))
    exc.__context__ = cause
    parcel = dump_exception(exc, "")
    assert len(parcel.buffers) == 3
    assert len(parcel.head) < 2000
    back: Any = load_exception(parcel.detach())
    assert back.args[0].sum() == 0
    assert [array.sum() for array in back.__context__.args] == [100_000, 100_000]


def test_a_class_unknown_here_becomes_a_stand_in(tmp_path: Path) -> None:
    """A class of a module that only the runner has is described, and told why."""
    (tmp_path / "only_there.py").write_text("class Odd(Exception): pass\n")
    script = """
        import sys, only_there
        from gridmap.payload import dump_exception
        exc = only_there.Odd("text")
        exc.__context__ = ValueError("before")
        outer = KeyError("outer")
        outer.__context__ = exc
        for each in (exc, outer):
            sys.stdout.buffer.write(dump_exception(each, "tb").head + b"END")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=25,
    )
    odd, outer, _ = done.stdout.split(b"END")
    back: Any = load_exception(Parcel(odd))
    assert type(back) is RemoteError
    assert (back.type_name, back.text) == ("only_there.Odd", "text")
    assert "No module named 'only_there'" in back.reason
    assert repr(back.__context__) == "ValueError('before')"
    # The exception itself stays what it is if only something behind it is unknown.
    other = load_exception(Parcel(outer))
    assert repr(other) == "KeyError('outer')"
    assert type(other.__context__) is RemoteError


@pytest.mark.parametrize(
    "head",
    [b"", b"junk", b"N.", b"(I1\nI2\nt.", b"(I1\n]t.", b"(V\n](I1\nat."],
    ids=["empty", "junk", "none", "numbers", "no links", "bad link"],
)
def test_loading_never_raises(head: bytes) -> None:
    """The caller always gets an exception to hand on."""
    assert type(load_exception(Parcel(head))) is RemoteError


def test_a_parcel_of_something_else_is_described() -> None:
    """A link that holds no exception is a stand-in."""
    parcel = dump_exception(Plain("x"), "")
    body: Any = load(parcel)
    text, (row,) = body
    five = dump(5, what="5").head
    row = tuple(five if isinstance(cell, bytes) else cell for cell in row)
    back: Any = load_exception(dump((text, [row]), what="a parcel"))
    assert back.reason == "it came out as int"


@given(st.lists(st.text() | st.integers() | st.none(), max_size=4))
def test_any_arguments_come_back(arguments: list[object]) -> None:
    """Plain exceptions come back with any plain arguments."""
    assert there_and_back(Plain(*arguments)).args == tuple(arguments)
