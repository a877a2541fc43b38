"""What kinds of value settings have, and how each is read.

A kind is a function that takes a value as it stands in an argument, a TOML file or an
environment variable (always text there) and returns what `Settings` holds, or raises
`ValueError` with what it expected. It looks at nothing but its argument.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from gridmap.errors import InvalidResourceError
from gridmap.resources import parse_memory

Kind: TypeAlias = Callable[[object], Any]

PortRange: TypeAlias = tuple[int, int]
"""First and last port, both included."""

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_NEVER: Final = frozenset({"never", "none", "off"})
_SPAN: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)?\s*", re.IGNORECASE)
_FACTORS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PORTS: Final = re.compile(r"\s*(\d+)\s*(?:[-:]\s*(\d+)\s*)?")
_LARGEST_PORT: Final = 65535


def flag(value: object) -> bool:
    """Read a truth value: true, yes, on, 1 or false, no, off, 0, in either case."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        msg = "expected true or false"
        raise ValueError(msg)
    return text in _TRUE


def text(value: object) -> str:
    """Read a text of one line that is not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        msg = "expected a text of one line"
        raise ValueError(msg)
    return value.strip()


def path(value: object) -> str:
    """Read the path of a file or directory; ``~`` is the home directory."""
    if not isinstance(value, str | os.PathLike):
        msg = "expected a path"
        raise ValueError(msg)  # noqa: TRY004 - callers catch one exception
    return os.path.expanduser(text(os.fspath(value)))  # noqa: PTH111 - stays a text


def number(value: object) -> float:
    """Read a number that is not negative."""
    try:
        result = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        result = math.nan
    if not (math.isfinite(result) and result >= 0):
        msg = "expected a number of at least 0"
        raise ValueError(msg)
    return result


def count(least: int) -> Kind:
    """Return the kind of whole numbers of at least *least*."""

    def read(value: object) -> int:
        try:
            result = None if isinstance(value, bool | float) else int(str(value))
        except ValueError:
            result = None
        if result is None or result < least:
            msg = f"expected a whole number of at least {least}"
            raise ValueError(msg)
        return result

    return read


def seconds(least: float = 0.0) -> Kind:
    """Return the kind of lengths of time: seconds, or a text such as 90s, 5m, 1.5h.

    Args:
        least: What anything shorter is raised to, since GridMap's users wrote 0 for
            "as short as can be".
    """

    def read(value: object) -> float:
        match = _SPAN.fullmatch(value) if isinstance(value, str) else None
        try:
            if match:
                length = float(match[1]) * _FACTORS[(match[2] or "s").lower()]
            else:
                length = number(value)
        except ValueError:
            msg = (
                "expected a number of seconds, or a text such as '90s', '5m' or '1.5h'"
            )
            raise ValueError(msg) from None
        return max(least, length)

    return read


def seconds_or_never(value: object) -> float | None:
    """Read a length of time; 0, ``never`` and None are None."""
    if str(value).strip().lower() in _NEVER:
        return None
    result: float = seconds()(value)
    return result or None


def memory(value: object) -> int:
    """Read a number of bytes, or a text such as 512M or 2GiB."""
    try:
        amount = parse_memory(value if isinstance(value, int) else str(value))
    except InvalidResourceError:
        amount = None
    if amount is None or isinstance(value, bool | float):
        msg = "expected a number of bytes, or a text such as '512M' or '2G'"
        raise ValueError(msg)
    return amount


def memory_from(least: str) -> Kind:
    """Return the kind of numbers of bytes of at least *least*, a text such as 1M."""
    smallest = memory(least)

    def read(value: object) -> int:
        amount = memory(value)
        if amount < smallest:
            msg = f"expected at least {least}: what gridmap itself says has as much"
            raise ValueError(msg)
        return amount

    return read


def ports(value: object) -> PortRange:
    """Read a port or a range of ports: 40000, ``40000-41000`` or [40000, 41000]."""
    pair = value if isinstance(value, list | tuple) else None
    match = _PORTS.fullmatch("-".join(map(str, pair)) if pair else str(value))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= _LARGEST_PORT:
        msg = "expected a port or a range of ports, such as '40000-41000'"
        raise ValueError(msg)
    return first, last


def port(value: object) -> int:
    """Read one port."""
    try:
        first, last = ports(value)
    except ValueError:
        first, last = 0, 1
    if first != last:
        msg = f"expected a port, 1 to {_LARGEST_PORT}"
        raise ValueError(msg)
    return first


def choice(*names: str) -> Kind:
    """Return the kind of a name out of *names*, in either case."""

    def read(value: object) -> str:
        name = str(value).strip().lower()
        if name not in names:
            msg = f"expected one of {', '.join(names)}"
            raise ValueError(msg)
        return name

    return read
