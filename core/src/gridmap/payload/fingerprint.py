"""Whether a function or an input is what it was in an earlier process.

Pickles do not tell: the same set, or the same function of a script, may be pickled into
other bytes by the next process. A fingerprint is made of what an object means: values,
types, and of functions what they do (byte code, constants, defaults, what they close
over, and for functions that travel by value the globals they use). Neither file names,
line numbers, identities nor hash seeds count.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from typing import TYPE_CHECKING, Any, Final

from gridmap.payload.pickling import MAINS, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BYTES: Final = 16
_GLOBAL_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_SCALARS: Final = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


def fingerprint(obj: object) -> bytes:
    """Return 16 bytes that are equal for objects that mean the same.

    Objects that mean the same may still differ, where a class's pickled state tells
    more than its meaning; never the other way round, but for what functions that are
    imported by name call.
    """
    return _Walk().digest(obj)


class _Walk:
    """One walk through an object, which may be circular."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []  # so that no id is used again meanwhile
        self._kinds: dict[type, Callable[[Any], bytes]] = {
            types.FunctionType: self._function,
            types.CodeType: self._code,
            types.MethodType: lambda m: self._joined(b"m", (m.__func__, m.__self__)),
            types.BuiltinFunctionType: self._builtin,
            types.ModuleType: lambda m: _hash(b"M", m.__name__.encode()),
            functools.partial: lambda p: self._joined(
                b"p", (p.func, p.args, p.keywords)
            ),
            tuple: lambda items: self._joined(b"t", items),
            list: lambda items: self._joined(b"l", items),
            set: lambda items: self._unordered(b"s", items),
            frozenset: lambda items: self._unordered(b"s", items),
            dict: lambda table: self._unordered(b"d", table.items()),
        }

    def digest(self, obj: object) -> bytes:
        """Return the fingerprint of a part."""
        kind = type(obj)
        if kind in _SCALARS:
            return _hash(b"v", kind.__name__.encode(), repr(obj).encode())
        if isinstance(obj, type):
            return _hash(b"T", _name(obj))
        known = self._seen.get(id(obj))
        if known is not None:
            return _hash(b"c", str(known).encode())
        self._seen[id(obj)] = len(self._seen)
        self._kept.append(obj)
        found = self._kinds.get(kind, self._other)(obj)
        if kind in (tuple, frozenset):  # equal ones may be one object or several
            del self._seen[id(obj)]
        return found

    def _joined(self, kind: bytes, parts: Iterable[object]) -> bytes:
        return _hash(kind, *[self.digest(part) for part in parts])

    def _unordered(self, kind: bytes, parts: Iterable[object]) -> bytes:
        return _hash(kind, *sorted(self.digest(part) for part in parts))

    def _builtin(self, function: types.BuiltinFunctionType) -> bytes:
        owner = function.__self__
        own = b"" if owner is None or isinstance(owner, types.ModuleType) else b"x"
        return _hash(b"b", _name(function), own and self.digest(owner))

    def _function(self, function: types.FunctionType) -> bytes:
        cells = [_content(cell) for cell in function.__closure__ or ()]
        used: dict[str, object] = {}
        if function.__module__ in MAINS:
            names = _global_names(function.__code__)
            table = function.__globals__
            used = {name: table[name] for name in names if name in table}
        parts = (
            function.__code__,
            function.__defaults__,
            function.__kwdefaults__,
            cells,
            used,
        )
        return _hash(b"f", _name(function), self._joined(b"", parts))

    def _code(self, code: types.CodeType) -> bytes:
        parts = (
            code.co_code,
            code.co_names,
            code.co_varnames[: code.co_argcount + code.co_kwonlyargcount],
            code.co_freevars,
            code.co_flags,
            code.co_consts,
        )
        return self._joined(b"C", parts)

    def _other(self, obj: object) -> bytes:
        """Go by what pickling would keep of it, part by part."""
        try:
            reduced: Any = obj.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 - a user's class may raise anything here
            parcel = dump(obj, what="it")
            return _hash(b"o", bytes(parcel.head), *map(bytes, parcel.buffers))
        if isinstance(reduced, str):
            return _hash(b"g", _name(type(obj)), reduced.encode())
        made, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        parts = (made, arguments, state, list(items or ()), list(pairs or ()))
        return _hash(b"r", self._joined(b"", parts))


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return ("empty",)


def _global_names(code: types.CodeType) -> set[str]:
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in _GLOBAL_LOADS
    }
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names |= _global_names(const)
    return names


def _name(obj: Any) -> bytes:
    return f"{obj.__module__}:{obj.__qualname__}".encode()


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
