"""Exceptions that do not come back from pickling as they went, and some that do."""

import threading
from typing import Any

import attrs


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


def chained(depth: int) -> BaseException:
    """Make an exception with *depth* more behind it."""
    exc = Plain(depth)
    exc.add_note(f"note {depth}")
    if depth:
        exc.__cause__ = chained(depth - 1)
    return exc
