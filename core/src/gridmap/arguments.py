"""What callers may give, where any object can come: refused early, and by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, SupportsIndex, TypeVar

from gridmap.errors import InvalidRequestError

_T = TypeVar("_T")
_Given = TypeVar("_Given")


def check_count(name: str, number: SupportsIndex | None) -> int | None:
    """Return a number that bounds something, as an int.

    Args:
        name: Of the parameter, for the error.
        number: What was given; any integer type will do, None is no bound.

    Raises:
        InvalidRequestError: If it is no whole number of at least 1.
    """
    if number is None:
        return None
    try:
        whole = 0 if isinstance(number, bool) else operator.index(number)
    except TypeError:
        whole = 0
    if whole < 1:
        msg = f"{name}={number!r} must be a whole number of at least 1, or None"
        raise InvalidRequestError(msg)
    return whole


def check_text(name: str, text: _Given, *, optional: bool = False) -> _Given:
    """Return a text, or None where that may be.

    Raises:
        InvalidRequestError: If it is anything else.
    """
    if not isinstance(text, str) and not (optional and text is None):
        raise _unexpected(name, text, "a text, or None" if optional else "a text")
    return text


def check_function(function: object, arguments: object) -> None:
    """See that what is to be called can be.

    Args:
        function: What was given as the function.
        arguments: What was given as its arguments, or as several calls' of it.

    Raises:
        InvalidRequestError: If it is not callable. Where the other one is, the error
            says that they look swapped.
    """
    if callable(function):
        return
    msg = f"the function of a job must be callable, not {function!r:.200}"
    if callable(arguments):
        msg += (
            f". Function and arguments look swapped: {arguments!r:.200} was given "
            "where the arguments belong; give the function first"
        )
    raise InvalidRequestError(msg)


def check_mapping(
    name: str,
    mapping: _Given,
    keys: str,
    kind: type[InvalidRequestError] = InvalidRequestError,
) -> _Given:
    """Return a mapping of texts to anything, or None.

    Args:
        name: Of the parameter, for the error.
        mapping: What was given.
        keys: What its keys are, for the error.
        kind: Of the error.

    Raises:
        InvalidRequestError: If it is anything else.
    """
    given: Any = mapping
    if given is None:
        return mapping
    if not isinstance(given, Mapping):
        raise _unexpected(name, given, f"a mapping of {keys}, such as a dict", kind)
    if strangers := [key for key in given if not isinstance(key, str)]:
        msg = f"{name} is a mapping of {keys}, and {strangers[0]!r:.200} is no text"
        raise kind(msg)
    return mapping


def settings_with(
    settings: Mapping[str, object] | None, **given: object
) -> dict[str, object]:
    """Return settings, and those that parameters of their own stand for.

    Args:
        settings: As they were given by name.
        given: What parameters said, which comes first; one that is None says nothing.

    Raises:
        InvalidRequestError: If *settings* is anything but a mapping of texts.
    """
    check_mapping("settings", settings, "names to values")
    said = {name: value for name, value in given.items() if value is not None}
    return {**(settings or {}), **said}


def items(
    name: str,
    several: Iterable[_T],
    expected: str,
    kind: type[InvalidRequestError] = InvalidRequestError,
) -> Iterator[_T]:
    """Return an iterator over what a parameter holds.

    Args:
        name: Of the parameter, for the error.
        several: What was given.
        expected: What it should be, for the error.
        kind: Of the error.

    Raises:
        InvalidRequestError: If it cannot be iterated over.
    """
    try:
        return iter(several)
    except TypeError:
        raise _unexpected(name, several, expected, kind) from None


def _unexpected(
    name: str,
    given: object,
    expected: str,
    kind: type[InvalidRequestError] = InvalidRequestError,
) -> InvalidRequestError:
    return kind(f"{name}={given!r:.200} makes no sense: expected {expected}")
