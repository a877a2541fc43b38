"""Which part of an object cannot be pickled.

The search goes down from the object: of its parts, as pickling sees them, the first
that cannot be pickled by itself is entered, until none of the parts is at fault. It
looks at attributes, containers, closures, argument defaults and globals, at a bounded
number of them, and writes nothing down: pickled bytes are thrown away as they come.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import itertools
import types
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Part: TypeAlias = tuple[str, object]
"""The way to a part from what contains it, and the part."""

_LOOKS: Final = 100_000
_DEPTH: Final = 30
_REPR_CHARACTERS: Final = 40
_HARMLESS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_GLOBAL_OPERATIONS: Final = frozenset({"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"})
_CLASS_MACHINERY: Final = frozenset({"__dict__", "__weakref__", "__module__"})


def find(obj: object, error: BaseException) -> str:
    """Return the way from *obj* to the smallest part that cannot be pickled.

    Never raises, and ends after a bounded number of looks.

    Args:
        obj: What could not be pickled.
        error: What pickling it raised.

    Returns:
        Text such as ``.model.lock``, ``['a'][3]`` or ``closure variable 'lock'``;
        empty if it is the object itself, or its nesting is simply too deep.
    """
    if isinstance(error, RecursionError) or "recursion" in str(error):
        return ""
    looks = itertools.count()
    trail = [obj]  # keeps temporary parts alive, so that their ids stay their own
    path = ""
    while len(trail) <= _DEPTH:
        try:
            step = _failing_part(trail, looks)
        except Exception:  # noqa: BLE001 - users' classes may raise anything anywhere
            break
        if step is None:
            break
        label, part = step
        path += label if not path or label[0] in ".[" else f" {label}"
        trail.append(part)
    return path


def _failing_part(trail: list[object], looks: Iterator[int]) -> Part | None:
    above = set(map(id, trail))
    for label, part in _parts(trail[-1]):
        if next(looks) >= _LOOKS:
            return None
        if type(part) in _HARMLESS or id(part) in above or _pickles(part):
            continue
        return label, part
    return None


class _Sink:
    """A file that forgets what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


def _pickles(obj: object) -> bool:
    import cloudpickle  # noqa: PLC0415 - only dump, which has it already, comes here

    pickler = cloudpickle.Pickler(_Sink(), protocol=5, buffer_callback=lambda _: None)
    try:
        pickler.dump(obj)
    except Exception:  # noqa: BLE001 - users' __reduce__ may raise anything
        return False
    return True


def _parts(obj: object) -> Iterator[Part]:
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return (
            (f".{name}", value) for name, value in zip(obj._fields, obj, strict=False)
        )
    for kind, parts in _PARTS.items():
        if type(obj) is kind or (kind in _WITH_SUBCLASSES and isinstance(obj, kind)):
            return parts(obj)
    return _reduced(obj)


def _sequence(obj: Any) -> Iterator[Part]:
    return ((f"[{index}]", part) for index, part in enumerate(obj))


def _set(obj: Any) -> Iterator[Part]:
    return ((f"element {_show(part)}", part) for part in obj)


def _pairs(pairs: Any) -> Iterator[Part]:
    for key, value in pairs:
        yield f"key {_show(key)}", key
        yield f"[{_show(key)}]", value


def _function(obj: types.FunctionType) -> Iterator[Part]:
    code = obj.__code__
    for name, cell in zip(code.co_freevars, obj.__closure__ or (), strict=True):
        try:
            yield f"closure variable {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    defaults = obj.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    for name, value in [
        *zip(names, defaults, strict=True),
        *(obj.__kwdefaults__ or {}).items(),
    ]:
        yield f"default of argument {name!r}", value
    for name in sorted(_global_names(code) & obj.__globals__.keys()):
        yield f"global {name!r}", obj.__globals__[name]
    yield from _attributes(vars(obj))
    for name, value in obj.__annotations__.items():
        yield f"annotation of {name!r}", value


def _global_names(code: types.CodeType) -> set[str]:
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in _GLOBAL_OPERATIONS
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _class(obj: type) -> Iterator[Part]:
    for base in obj.__bases__:
        yield f"base class {base.__qualname__!r}", base
    for name, value in vars(obj).items():
        if name not in _CLASS_MACHINERY:
            yield f".{name}", value


def _fields(*names: str) -> Callable[[Any], Iterator[Part]]:
    return lambda obj: ((f".{name}", getattr(obj, name)) for name in names)


def _attributes(state: Mapping[str, object]) -> Iterator[Part]:
    return ((f".{name}", value) for name, value in state.items())


def _exception(obj: BaseException) -> Iterator[Part]:
    yield from ((f".args[{index}]", part) for index, part in enumerate(obj.args))
    yield from _attributes(vars(obj))
    yield from _reduced(obj)


def _reduced(obj: object) -> Iterator[Part]:
    """Yield what pickling would see of an object: a state, items, arguments."""
    try:
        reduced = _reduce(obj)
    except Exception:  # noqa: BLE001 - then the object itself is at fault
        return
    if not isinstance(reduced, tuple):
        return
    build, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    yield from _state(state)
    yield from _sequence(items or ())
    yield from _pairs(pairs or ())
    for index, argument in enumerate(arguments):
        same = argument is type(obj)
        yield ".__class__" if same else f"constructor argument {index}", argument
    yield "constructor", build


def _reduce(obj: object) -> object:
    import cloudpickle  # noqa: PLC0415 - only dump, which has it already, comes here

    reducer = cloudpickle.Pickler.dispatch_table.get(type(obj))
    reducer = reducer or copyreg.dispatch_table.get(type(obj))
    return reducer(obj) if reducer else obj.__reduce_ex__(5)


def _state(state: object) -> Iterator[Part]:
    """Yield the attributes in a state: a dict, or a pair of one and of slots."""
    pair = isinstance(state, tuple) and len(state) == 2  # noqa: PLR2004 - a pair
    for half in cast("tuple[object, ...]", state) if pair else (state,):
        if isinstance(half, dict):
            yield from _attributes(half)
        elif half is not None:
            yield "state", state


def _show(key: object) -> str:
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001 - users' __repr__ may raise anything
        text = f"<{type(key).__name__}>"
    return text if len(text) <= _REPR_CHARACTERS else f"{text[:_REPR_CHARACTERS]}…"


_WITH_SUBCLASSES: Final = frozenset({type, BaseException})
_PARTS: Final[dict[type, Callable[[Any], Iterator[Part]]]] = {
    dict: lambda obj: _pairs(obj.items()),
    list: _sequence,
    tuple: _sequence,
    set: _set,
    frozenset: _set,
    types.FunctionType: _function,
    types.MethodType: _fields("__self__", "__func__"),
    staticmethod: _fields("__func__"),
    classmethod: _fields("__func__"),
    property: _fields("fget", "fset", "fdel"),
    functools.partial: _fields("func", "args", "keywords"),
    type: _class,
    BaseException: _exception,
}
