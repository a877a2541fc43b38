"""Exceptions that travel."""

import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import RemoteError, RemoteTraceback, UnpicklableError
from gridmap.payload import (
    Parcel,
    dump,
    dump_exception,
    format_traceback,
    load,
    load_exception,
    read_traceback,
)


class Plain(Exception):  # noqa: N818 - short
    """Comes back by itself."""


class TwoArguments(Exception):  # noqa: N818 - short
    """Cannot be made from the one argument it hands on."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code
        self.where = where


class Counted(Exception):  # noqa: N818 - short
    """Keeps count of how often one was made."""

    made = 0

    def __init__(self) -> None:
        Counted.made += 1


class Prefixed(Exception):  # noqa: N818 - short
    """Comes back with its prefix twice if made again by its __init__."""

    def __init__(self, path: str) -> None:
        super().__init__(f"bad file {path}")


class System(OSError):  # noqa: N818 - short
    """An OSError with an __init__ of its own."""

    def __init__(self, path: str, *, retry: bool) -> None:
        super().__init__(2, "gone", path)
        self.retry = retry


class Chosen(TwoArguments):
    """Says itself how it is pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Chosen, (self.code, self.where)


class Stubborn(TwoArguments):
    """Says itself how it is pickled, wrongly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Stubborn, (self.code,)


class Disguised(Exception):  # noqa: N818 - short
    """Comes back as something else."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ValueError, self.args


class Holding(Exception):  # noqa: N818 - short
    """Holds what cannot travel."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Mute(Exception):  # noqa: N818 - short
    """Has no text and cannot travel."""

    lock: object = None

    def __str__(self) -> str:
        msg = "no text"
        raise RuntimeError(msg)


@attrs.frozen(auto_exc=True, kw_only=True)
class Fielded(Exception):  # noqa: N818 - short
    """An attrs exception: frozen, with slots, takes keywords only."""

    size: int


class Slotted(Exception):  # noqa: N818 - short
    """Keeps an attribute where pickling does not look."""

    __slots__ = ("size", "unset")

    def __init__(self, text: str, size: int = 0) -> None:
        super().__init__(text)
        self.size = size


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


def chained(depth: int) -> BaseException:
    """Make an exception with *depth* more behind it."""
    exc = Plain(depth)
    exc.add_note(f"note {depth}")
    if depth:
        exc.__cause__ = chained(depth - 1)
    return exc


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


def test_tracebacks_begin_with_the_users_frames() -> None:
    """Frames of gridmap's own on top say nothing to a user."""
    ours = compile("def call(f): f()", "<worker>", "exec")
    modules: list[dict[str, Any]] = [
        {"__name__": "gridmap.runner.worker"},
        {"__name__": "__main__", "__package__": "gridmap.runner"},
    ]
    for names in modules:
        exec(ours, names)  # noqa: S102 - a frame of gridmap's
        text = traceback_of(names["call"], boom)
        assert "<worker>" not in text
        assert text.startswith("Traceback (most recent call last):\n")
        assert "in boom" in text
        assert text.endswith("Plain: bang\n")
        assert "<worker>" in traceback_of(names["call"], None)


def boom() -> None:
    """Raise in a frame of the user's."""
    msg = "bang"
    raise Plain(msg)


def traceback_of(call: Callable[[object], None], argument: object) -> str:
    """Return the formatted traceback of a call that raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any
        call(argument)
    # Without this test's own frame: in a runner, gridmap's are the first.
    return format_traceback(caught.value.with_traceback(caught.tb.tb_next))


def test_a_traceback_names_the_cause() -> None:
    """The chain is in the text as Python would print it."""
    text = format_traceback(chained(1))
    assert text.count("direct cause") == 1
    assert "note 1" in text


def test_an_endless_traceback_is_cut() -> None:
    """A text of megabytes keeps its two ends."""
    text = format_traceback(Plain("a" + "x" * 1_000_000 + "z"))
    assert len(text) < 210_000
    assert text.endswith("xz\n")


def test_an_exception_that_cannot_be_formatted_is_named() -> None:
    """Formatting never raises."""

    class Evil(Exception):  # noqa: N818 - short
        def __getattribute__(self, name: str) -> object:
            if name == "__notes__":
                msg = "evil"
                raise ValueError(msg)
            return super().__getattribute__(name)

    assert "Evil" in format_traceback(Evil("x"))


def test_a_traceback_is_read_without_making_the_exception() -> None:
    """Its text is there, and nothing that the exception's class brings is run."""
    parcel = dump_exception(Counted(), "Traceback: here")
    before = Counted.made
    assert read_traceback(parcel, 1000) == "Traceback: here"
    assert Counted.made == before
    load_exception(parcel)
    assert Counted.made == before + 1


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"no pickle",
        pickle.dumps(("text", "not", "two")),
        pickle.dumps((1, [])),
        pickle.dumps((threading.Lock, [])),
    ],
    ids=["nothing", "noise", "three", "number", "class"],
)
def test_what_holds_no_traceback_has_none(head: bytes) -> None:
    """Whatever bytes there are, the answer is a text."""
    assert read_traceback(Parcel(head, ()), 1000) == ""


def test_a_traceback_is_read_up_to_a_limit() -> None:
    """A long one keeps both ends."""
    text = read_traceback(dump_exception(Plain(), "a" + "x" * 9000 + "z"), 100)
    assert len(text) < 200
    assert text[0] + text[-1] == "az"


@given(st.lists(st.text() | st.integers() | st.none(), max_size=4))
def test_any_arguments_come_back(arguments: list[object]) -> None:
    """Plain exceptions come back with any plain arguments."""
    assert there_and_back(Plain(*arguments)).args == tuple(arguments)
