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

import msgspec

from gridmap.arguments import check_mapping, items
from gridmap.errors import InvalidRequestError, InvalidResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MEMORY: Final = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*", re.IGNORECASE
)
_FACTORS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_LEAST_MEMORY: Final = 2**20
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


def _names(value: str | Iterable[str] | None, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    found = items(name, value, "a text, or several", InvalidResourceError)
    return tuple(str(item) for item in found)


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


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        msg = f"{name}={value!r} must be a whole number of at least {least}"
        raise InvalidResourceError(msg)


def _check_texts(name: str, texts: Iterable[object]) -> None:
    for text in texts:
        if text is None:
            continue
        if not isinstance(text, str) or not text or any(ord(c) < 32 for c in text):  # noqa: PLR2004
            msg = f"{name}={text!r} must be a text of one line, not empty"
            raise InvalidResourceError(msg)


class Resources(msgspec.Struct, frozen=True, kw_only=True):
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

    memory: int | None = None
    memory_limit: int | None = None
    walltime: int | None = None
    cores: int = 1
    gpus: int = 0
    queue: str | None = None
    account: str | None = None
    nodes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    native: tuple[str, ...] = ()

    if TYPE_CHECKING:  # what is taken is more than what is kept

        def __init__(
            self,
            *,
            memory: str | int | None = None,
            memory_limit: str | int | None = None,
            walltime: str | float | timedelta | None = None,
            cores: int = 1,
            gpus: int = 0,
            queue: str | None = None,
            account: str | None = None,
            nodes: str | Iterable[str] | None = (),
            options: Mapping[str, object] | Iterable[tuple[str, object]] | None = (),
            native: str | Iterable[str] | None = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read amounts and names as people write them, and refuse what is none."""
        read = {
            "memory": parse_memory(self.memory),
            "memory_limit": parse_memory(self.memory_limit, name="memory_limit"),
            "walltime": parse_walltime(self.walltime),
            "nodes": _names(self.nodes, "nodes"),
            "options": _options(self.options),
            "native": _names(self.native, "native"),
        }
        for name in ("memory", "memory_limit"):
            _check_memory(name, getattr(self, name), read[name])
        for name, value in read.items():
            msgspec.structs.force_setattr(self, name, value)
        _check_count("cores", self.cores, 1)
        _check_count("gpus", self.gpus, 0)
        _check_texts("queue", (self.queue,))
        _check_texts("account", (self.account,))
        _check_texts("nodes", self.nodes)
        _check_texts("native", self.native)

    def option(self, name: str) -> str | None:
        """Return the option *name*, None if it was not given."""
        return dict(self.options).get(name)


def _check_memory(name: str, given: object, amount: Any) -> None:
    """Refuse what was meant in another unit: no interpreter starts in so little."""
    if amount is None or amount >= _LEAST_MEMORY:
        return
    bare = str(given).strip()
    advice = f"; a number is bytes: write '{bare}M' or '{bare}G'"
    msg = (
        f"{name}={given!r} is {format_memory(amount)}, less than any Python needs"
        f"{advice if bare.isdecimal() else ''}"
    )
    raise InvalidResourceError(msg)


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
    return msgspec.structs.replace(
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
    known = set(Resources.__struct_fields__)
    if unknown := sorted(set(fields) - known):
        msg = f"unknown resources {unknown}: there are {sorted(known)}"
        raise InvalidResourceError(msg)
    return Resources(**fields)
