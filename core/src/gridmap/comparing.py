"""Values that are equal, and hash alike, by part of what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Comparing:
    """Goes before `msgspec.Struct`, and says what counts when two are compared.

    Fields that a class names in ``uncompared`` do not. Mappings count, but for the hash:
    they have none, and what cannot change is to be of use in sets all the same.
    """

    __slots__ = ()

    uncompared: ClassVar[frozenset[str]] = frozenset()
    __struct_fields__: ClassVar[tuple[str, ...]]

    def _compared(self) -> list[Any]:
        names = (n for n in self.__struct_fields__ if n not in self.uncompared)
        return [getattr(self, name) for name in names]

    def __eq__(self, other: object) -> bool:
        """Whether it is of the same class, and equal in all that counts."""
        if not isinstance(other, Comparing) or type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        hashed = (v for v in self._compared() if not isinstance(v, Mapping))
        return hash((type(self), *hashed))
