"""Tracebacks as text: with the frames of the user, cut where they are long."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.payload.odd import Counted, Plain, chained

from gridmap.payload import (
    Parcel,
    dump_exception,
    format_traceback,
    load_exception,
    read_traceback,
)


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
