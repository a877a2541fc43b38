"""Values whose text leaves something out: what is secret, or too long to read."""

from __future__ import annotations

from typing import Any, ClassVar


class Concealing:
    """Goes before `msgspec.Struct`, and has a structure not show all of its fields.

    Neither `repr` nor rich, which prints variables in tracebacks, shows those that a
    class names in ``concealed``.
    """

    __slots__ = ()

    concealed: ClassVar[frozenset[str]] = frozenset()
    __struct_fields__: ClassVar[tuple[str, ...]]

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what may be shown, for rich."""
        shown = (name for name in self.__struct_fields__ if name not in self.concealed)
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        """Return what may be shown as text."""
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"
