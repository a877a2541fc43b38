"""Values that refuse, where they are made, what their annotations do not allow."""

from __future__ import annotations

import functools
import types
import typing
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class Checking:
    """Goes before `msgspec.Struct`, whose own constructor looks at no type.

    What a container holds is not looked at, nor what a subclass adds. A bool is no number
    here, and an int is a float, as type checkers have it.
    """

    __slots__ = ()

    __struct_fields__: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        """Look at every field.

        Raises:
            TypeError: If one is of another type; it names class, field and value.
        """
        owner: Any = type(self)
        for name, kinds in _fields(owner):
            value = getattr(self, name)
            odd = isinstance(value, bool) and bool not in kinds
            if odd or not isinstance(value, kinds):
                called = " or ".join(
                    "None" if kind is type(None) else kind.__name__ for kind in kinds
                )
                msg = (
                    f"{name} of {type(self).__name__} must be of type {called}, "
                    f"not {value!r:.200}"
                )
                raise TypeError(msg)


@functools.cache
def _fields(owner: type[Any]) -> tuple[tuple[str, tuple[type, ...]], ...]:
    import inspect  # noqa: PLC0415 - 5 ms, for who makes no such value

    ours: Any = next(kind for kind in owner.__mro__ if Checking in kind.__bases__)
    hints = inspect.get_annotations(ours, eval_str=True)  # a third of get_type_hints
    return tuple((name, tuple(_kinds(hints[name]))) for name in ours.__struct_fields__)


def _kinds(hint: Any) -> Iterator[type]:
    """Yield the classes that an annotation allows."""
    if isinstance(hint, types.UnionType):
        for one in typing.get_args(hint):
            yield from _kinds(one)
        return
    kind = typing.get_origin(hint) or hint
    yield kind
    if kind is float:
        yield int
