"""What one job needs of the machine it runs on, whatever scheduler hands it out.

The neutral half of a request: every backend translates it into its scheduler's
words. What only one scheduler knows travels in `Resources.options` and
`Resources.native` and is that backend's to understand.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from gridmap.arguments import check_mapping, items
from gridmap.errors import InvalidRequestError, InvalidResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_MEMORY: Final = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*", re.IGNORECASE
)
_FACTORS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_CLOCK: Final = re.compile(r"\s*(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?\s*")
_SPAN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\w*\s*", re.IGNORECASE)
_SPAN_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_memory(value: str | int | None, *, name: str = "memory") -> int | None:
    """Return an amount of memory in bytes.

    Args:
        value: Bytes as a number, or a text such as ``"512M"``, ``"2 GiB"`` or
            ``"1.5g"``. Units are powers of 1024 in either case. None stays None.
        name: What the amount is for, used in the error.

    Returns:
        Bytes, at least 1, or None.

    Raises:
        InvalidResourceError: If the text is not an amount or not positive.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        amount = value
    else:
        match = _MEMORY.fullmatch(str(value))
        if match is None:
            msg = (
                f"{name}={value!r} is not an amount of memory: expected bytes as a "
                "number, or a text such as '512M', '2G' or '1.5GiB'"
            )
            raise InvalidResourceError(msg)
        amount = int(float(match[1]) * _FACTORS[match[2].lower()])
    if amount < 1:
        msg = f"{name}={value!r} must be positive"
        raise InvalidResourceError(msg)
    return amount


def parse_walltime(
    value: str | float | timedelta | None, *, name: str = "walltime"
) -> int | None:
    """Return a length of time in whole seconds, rounded up.

    Args:
        value: Seconds, a `timedelta`, ``"[D-]HH:MM:SS"``, ``"MM:SS"`` or a text
            such as ``"90s"``, ``"1.5h"``. A text of digits alone is seconds, as
            Grid Engine reads it. None stays None.
        name: What the time is for, used in the error.

    Returns:
        Seconds, at least 1, or None.

    Raises:
        InvalidResourceError: If the text is not a time or not positive.
    """
    if value is None:
        return None
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        msg = (
            f"{name}={value!r} is not a length of time: expected seconds, a timedelta, "
            "or a positive text such as '01:30:00', '2-12:00:00' or '90m'"
        )
        raise InvalidResourceError(msg)
    return math.ceil(seconds)


def parse_pause(value: str | float | timedelta, *, name: str) -> float:
    """Return a pause in seconds, which may be 0.

    Args:
        value: As for `parse_walltime`; not rounded.
        name: What the pause is for, used in the error.

    Raises:
        InvalidRequestError: If the text is not a time, or negative.
    """
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        msg = (
            f"{name}={value!r} is not a length of time: expected seconds of at least 0, "
            "a timedelta, or a text such as '30s' or '00:01:30'"
        )
        raise InvalidRequestError(msg)
    return seconds


def _seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if not isinstance(value, str):
        try:
            return float(value)
        except (TypeError, ValueError):
            return None
    if span := _SPAN.fullmatch(value):
        return float(span[1]) * _SPAN_SECONDS[span[2].lower()]
    clock = _CLOCK.fullmatch(value)
    if clock is None:
        return None
    days = int(clock[1] or 0)
    parts = [int(part) for part in clock.groups()[1:] if part is not None]
    while days and len(parts) < 3:  # noqa: PLR2004 - D-HH and D-HH:MM, as Slurm has it
        parts.append(0)
    total = 0
    for part in parts:
        total = total * 60 + part
    return days * 86400 + total


def format_memory(amount: int) -> str:
    """Return bytes as a short text for people, such as ``"1.97 GiB"``."""
    size = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the definition of the units
            whole = unit == "B" or size >= 100  # noqa: PLR2004 - three digits are enough
            return f"{size:.0f} {unit}" if whole else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


def _memory(value: str | int | None) -> int | None:
    return parse_memory(value)


def _memory_limit(value: str | int | None) -> int | None:
    return parse_memory(value, name="memory_limit")


def _walltime(value: str | float | timedelta | None) -> int | None:
    return parse_walltime(value)


def _names(value: str | Iterable[str] | None, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    found = items(name, value, "a text, or several", InvalidResourceError)
    return tuple(str(item) for item in found)


def _nodes(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return _names(value, "nodes")


def _native(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return _names(value, "native")


def _options(
    value: Mapping[str, object] | Iterable[tuple[str, object]] | None,
) -> tuple[tuple[str, str], ...]:
    try:
        pairs = dict(value or {}).items()
    except (TypeError, ValueError):
        msg = f"options={value!r:.200} makes no sense: expected a mapping of names"
        raise InvalidResourceError(msg) from None
    return tuple(
        sorted((str(key), str(item)) for key, item in pairs if item is not None)
    )


def _count(least: int) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            msg = f"{field.name}={value!r} must be a whole number of at least {least}"
            raise InvalidResourceError(msg)

    return check


def _plain_text(_: object, field: attrs.Attribute[Any], value: object) -> None:
    texts = value if isinstance(value, tuple) else (value,)
    for text in texts:
        if text is None:
            continue
        if not isinstance(text, str) or not text or any(ord(c) < 32 for c in text):  # noqa: PLR2004
            msg = f"{field.name}={text!r} must be a text of one line, not empty"
            raise InvalidResourceError(msg)


@attrs.frozen(kw_only=True)
class Resources:
    """What one job needs; jobs with equal resources share runners.

    Attributes:
        memory: Bytes the job needs, a request used for placing it; None: the
            site's default.
        memory_limit: Bytes at which the job is to be stopped; None: no limit of ours.
        walltime: Longest life of a runner in seconds; None: the site's default.
        cores: Processor cores (slots) on one node, at least 1.
        gpus: Graphics processors, 0 or more.
        queue: Queue or partition; None: the site's default.
        account: Project or account the use is charged to; None: the site's default.
        nodes: Names of nodes that may be used; empty: any.
        options: Words that only some backend knows, such as ``par_env`` or ``qos``;
            a backend ignores, with one warning, what it does not know.
        native: Raw options, handed to the scheduler as they are.
    """

    memory: int | None = attrs.field(default=None, converter=_memory)
    memory_limit: int | None = attrs.field(default=None, converter=_memory_limit)
    walltime: int | None = attrs.field(default=None, converter=_walltime)
    cores: int = attrs.field(default=1, validator=_count(1))
    gpus: int = attrs.field(default=0, validator=_count(0))
    queue: str | None = attrs.field(default=None, validator=_plain_text)
    account: str | None = attrs.field(default=None, validator=_plain_text)
    nodes: tuple[str, ...] = attrs.field(
        default=(), converter=_nodes, validator=_plain_text
    )
    options: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_options)
    native: tuple[str, ...] = attrs.field(
        default=(), converter=_native, validator=_plain_text
    )

    def option(self, name: str) -> str | None:
        """Return the option *name*, None if it was not given."""
        return dict(self.options).get(name)


def with_memory(resources: Resources, amount: int) -> Resources:
    """Return the resources with another amount of memory.

    It becomes the limit, whatever had been one: a site's default may be what was hit.
    It becomes the request too, unless there was a limit alone.

    Args:
        resources: What is changed.
        amount: Bytes.
    """
    request = resources.memory is not None or resources.memory_limit is None
    options = dict(resources.options)
    if "h_vmem" in options:  # GridMap's word, and its way of counting by the slot
        options["h_vmem"] = str(amount)
    return attrs.evolve(
        resources,
        memory=amount if request else None,
        memory_limit=amount,
        options=options,
    )


def make_resources(value: Resources | Mapping[str, Any] | None) -> Resources:
    """Return *value* as `Resources`.

    Args:
        value: A `Resources`, a mapping of its fields, or None for the defaults.

    Raises:
        InvalidResourceError: If the mapping has unknown fields or senseless values.
    """
    if isinstance(value, Resources):
        return value
    check_mapping("resources", value, "names to amounts", InvalidResourceError)
    fields = dict(value or {})
    known = {field.name for field in attrs.fields(Resources)}
    if unknown := sorted(set(fields) - known):
        msg = f"unknown resources {unknown}: there are {sorted(known)}"
        raise InvalidResourceError(msg)
    return Resources(**fields)
