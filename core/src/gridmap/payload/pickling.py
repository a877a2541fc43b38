"""Python objects to bytes and back.

There are two ways in. `dump_plain` takes small plain data to the C pickler and is
what most jobs go through. `dump` takes anything cloudpickle takes: functions of a
script and lambdas by value, functions of importable modules by reference, and large
buffers (numpy, pandas) beside the stream instead of in it, without a copy. What plain
pickle can do as well, it does.

Nothing here reads bytes of a stranger: whoever calls `load` has authenticated the
sender. cloudpickle is imported when something is dumped that needs it, never to load
(a stream that needs it names it, and pickle imports it).
"""

from __future__ import annotations

import functools
import io
import itertools
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from gridmap.errors import UnpicklableError
from gridmap.payload import culprit, held, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

Frame: TypeAlias = bytes | bytearray | memoryview
"""A run of bytes that travels as it is; a memoryview is flat and of format ``B``."""

PROTOCOL: Final = 5
"""The oldest pickle protocol with out-of-band buffers; Python 3.8 and later."""

LARGE_BYTES: Final = 64 * 1024
"""From this size on, a part travels as a frame of its own instead of being copied."""

MAINS: Final = ("__main__", "__mp_main__")
"""What the main module is called, the second in processes that multiprocessing or loky
have started anew. Both are another module, or none, on the other side."""

_UNNAMED: Final = "<dynamic-code>"
_PLAIN_ELEMENTS: Final = 64
_PLAIN_DEPTH: Final = 4
_PLAIN_BYTES: Final = 4096
"""The longest stream that is read in a thread that must not be held up."""
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_CONTAINERS: Final = frozenset({tuple, list, dict, set, frozenset})


class Parcel(NamedTuple):
    """One pickled object: the stream and its out-of-band buffers.

    A tuple rather than an attrs class, since a batch makes a hundred thousand of them
    and the constructor of a frozen attrs class alone would be half of their cost.

    Attributes:
        head: The pickle stream.
        buffers: What the stream leaves out, in its order. After `dump` they share
            memory with the object, so what its owner writes there later is seen here;
            `detach` ends that.
    """

    head: Frame
    buffers: tuple[Frame, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size of stream and buffers together."""
        return len(self.head) + sum(map(len, self.buffers))

    def detach(self) -> Parcel:
        """Return a parcel that shares no memory with the object it was made from.

        To be used where the user's code runs again before the parcel has been sent:
        a generator may yield the same array again with other numbers in it.
        """
        return Parcel(_apart(self.head), tuple(map(_apart, self.buffers)))


def _apart(buffer: Frame) -> Frame:
    """Copy a buffer to where it can be passed on from, or else anywhere."""
    apart = held.hold(buffer)
    return bytes(buffer) if held.sealed_in(apart) is None else apart


def settle(parcels: Sequence[Parcel], put: Callable[[Frame], Frame]) -> list[Parcel]:
    """Put the frames of many parcels somewhere; an array that many have, once.

    Args:
        parcels: What they were made of was not changed since the first was made.
        put: Returns what is to stand for a frame.
    """
    known: dict[int, Frame] = {}

    def settled(frame: Frame) -> Frame:
        key = id(_owner(frame))
        if key not in known:
            known[key] = put(frame)
        return known[key]

    return [
        Parcel(settled(parcel.head), tuple(map(settled, parcel.buffers)))
        for parcel in parcels
    ]


def _owner(frame: Frame) -> object:
    """Return the object whose bytes a frame is, all of them; else the frame."""
    if not isinstance(frame, memoryview):
        return frame
    owner = frame.obj
    try:
        return owner if memoryview(owner).nbytes == frame.nbytes else frame
    except (TypeError, ValueError, BufferError):  # it shows itself in its own ways only
        return frame


def detach(calls: Sequence[bytes | Parcel]) -> list[bytes | Parcel]:
    """Return calls that share no memory with the objects they were made from.

    As `Parcel.detach` for each; but an array that many have is looked at once.

    Args:
        calls: Nothing of them was changed since the first was made.
    """
    parcels = iter(settle([c for c in calls if isinstance(c, Parcel)], _apart))
    return [next(parcels) if isinstance(call, Parcel) else call for call in calls]


def dump_plain(obj: object) -> bytes | None:
    """Pickle small plain data, and nothing else.

    Args:
        obj: Any object.

    Returns:
        The stream, or None unless *obj* is made of exact built-in types only, 64
        elements at most and nested 4 deep at most. None says nothing about whether
        `dump` will do.
    """
    kind = type(obj)
    if kind is tuple or kind is list:
        # The usual arguments of a job: one flat tuple, looked at without a Python loop.
        flat: Any = obj  # cast() would be a tenth of the cost
        if len(flat) <= _PLAIN_ELEMENTS and _SCALARS.issuperset(map(type, flat)):
            return pickle.dumps(obj, PROTOCOL)
    elif kind in _SCALARS:
        return pickle.dumps(obj, PROTOCOL)
    if _count_plain(obj, _PLAIN_ELEMENTS, _PLAIN_DEPTH) is None:
        return None
    return pickle.dumps(obj, PROTOCOL)


def dump_call(args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> bytes | None:
    """Pickle a call's arguments if they are small plain data: as `dump_plain`.

    Its own function since every job comes through here: a pair is not flat, so
    `dump_plain` would look at one in a Python loop.
    """
    if (
        not kwargs
        and len(args) <= _PLAIN_ELEMENTS
        and _SCALARS.issuperset(map(type, args))
    ):
        return pickle.dumps((args, kwargs), PROTOCOL)
    return dump_plain((args, kwargs))


def dump_calls(calls: Sequence[tuple[Any, ...]]) -> list[bytes] | None:
    """Pickle the positional arguments of many calls, if all are numbers or texts.

    As `dump_call` for each, in half of the time: no step of it is Python's.

    Args:
        calls: The arguments of each.

    Returns:
        The streams; None unless every argument is a scalar of an exact built-in type.
    """
    if max(map(len, calls), default=0) > _PLAIN_ELEMENTS:
        return None
    if not _SCALARS.issuperset(map(type, itertools.chain.from_iterable(calls))):
        return None
    pairs = zip(calls, itertools.repeat(None))
    return list(map(pickle.dumps, pairs, itertools.repeat(PROTOCOL)))


def _count_plain(obj: object, room: int, depth: int) -> int | None:
    """Return how much of *room* is left after *obj*; None if it does not qualify."""
    if type(obj) not in _CONTAINERS or depth <= 0:
        return None
    container = cast("Collection[object]", obj)
    left: int | None = room - len(container)
    if left is None or left < 0:
        return None
    parts = [*obj, *obj.values()] if isinstance(obj, dict) else container
    for part in parts:
        if type(part) not in _SCALARS:
            left = _count_plain(part, left, depth - 1)
            if left is None:
                return None
    return left


def dump(obj: object, *, what: str) -> Parcel:
    """Pickle any object so that another process of this user can load it.

    Blocks for as long as pickling takes; safe to call from any thread.

    Args:
        obj: The object.
        what: What it is in the user's words, for the error: "the function",
            "input 3".

    Returns:
        The parcel. Buffers of 64 KiB and more share memory with *obj*.

    Raises:
        UnpicklableError: If it cannot be pickled; names the part at fault. Trying
            again gives the same.
    """
    plain = dump_plain(obj)
    if plain is not None:
        return Parcel(plain)
    parcel = _dump_by_reference(obj)
    return _dump_by_value(obj, what) if parcel is None else parcel


def _dump_by_reference(obj: object) -> Parcel | None:
    """Pickle with plain pickle; None if that fails or names anything in a main module.

    Twice as fast as cloudpickle, and a worker whose results need no more never imports
    it. What pickle takes, cloudpickle takes in the same way but for two things:
    ``__main__``, which is another module over there, and modules that the user
    registered to go by value.
    """
    if getattr(obj, "__module__", None) in MAINS:
        return None
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is not None and cloudpickle.list_registry_pickle_by_value():
        return None
    buffers: list[Frame] = []
    try:
        head = pickle.dumps(obj, PROTOCOL, buffer_callback=_split_off(buffers))
    except Exception:  # noqa: BLE001 - cloudpickle's turn, which says what is wrong
        return None
    if any(name.encode() in head for name in MAINS):
        return None
    return Parcel(head, tuple(buffers))


def _dump_by_value(obj: object, what: str) -> Parcel:
    buffers: list[Frame] = []
    stream = io.BytesIO()
    try:
        _by_value()(stream, PROTOCOL, buffer_callback=_split_off(buffers)).dump(obj)
        head = stream.getvalue()
    except Exception as exc:
        raise UnpicklableError(what, culprit.find(obj, exc), _reason(exc)) from exc
    return Parcel(head, tuple(buffers))


@functools.cache
def _by_value() -> type[pickle.Pickler]:
    """Return cloudpickle's pickler, made to tell the files that functions are of.

    cloudpickle 3.1.3 calls them all ``<dynamic-code>``, so that tracebacks and debuggers
    show no line of what a script defines. `fingerprint` counts no file names.
    """
    import cloudpickle  # noqa: PLC0415 - 25 ms that most processes need not pay

    for name in MAINS[1:]:
        if name in sys.modules:
            cloudpickle.register_pickle_by_value(sys.modules[name])
    table = cloudpickle.Pickler.dispatch_table
    plain = table[types.CodeType]

    def with_file(code: types.CodeType) -> tuple[Any, ...]:
        make, parts, *rest = plain(code)
        named = ["".join(code.co_filename) if p == _UNNAMED else p for p in parts]
        return (make, tuple(named), *rest)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        dispatch_table = table.new_child({types.CodeType: with_file})

    return Pickler


def _split_off(buffers: list[Frame]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return a callback that puts large buffers into *buffers*, small ones in-band."""

    def in_band(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if len(view) < LARGE_BYTES:
            return True
        buffers.append(view)
        return False

    return in_band


def load(parcel: Parcel | Frame) -> object:
    """Make the object of *parcel* again.

    A writable buffer becomes part of the object, so such a parcel can be loaded once.
    Of a read-only one users get their own, which they can write to: memory that is held
    is mapped for them, and copied by the kernel where they write; all else is copied.
    Arrays that were read-only where they were dumped are read-only here too.

    Args:
        parcel: What `dump` or `dump_plain` made, from an authenticated sender.

    Returns:
        The object.

    Raises:
        Exception: Whatever unpickling raises, most often ModuleNotFoundError or
            AttributeError: the other side has modules that this one has not.
    """
    if not isinstance(parcel, Parcel):
        return pickle.loads(parcel)
    head, buffers = parcel  # attributes would cost as much as loading a number
    if not buffers:
        return pickle.loads(head)
    return pickle.loads(head, buffers=_writable(buffers))


def load_plain(parcel: Parcel | Frame) -> tuple[object] | None:
    """Make the object of *parcel* again where that runs nobody's code.

    Returns:
        The object, in a tuple; None if it is more than a few small numbers, texts and
        the like, or cannot be made again: then `load` is to be called, in a thread that
        may be held up.
    """
    if type(parcel) is not bytes or len(parcel) > _PLAIN_BYTES:
        return None
    try:
        return (_Plain(io.BytesIO(parcel)).load(),)
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, load will tell
        return None


class _Plain(pickle.Unpickler):
    """Makes plain data: nothing else can be without looking up a name."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Look up none."""
        msg = f"{module}.{name} is not plain"
        raise pickle.UnpicklingError(msg)


def load_all(parcels: Sequence[Parcel | Frame]) -> list[object] | None:
    """Make many objects again, without a step of Python's for each.

    Args:
        parcels: As for `load`.

    Returns:
        The objects; None if one of them is more than a stream, or cannot be made
        again: then `load` tells which.
    """
    if set(map(type, parcels)) != {bytes}:
        return None
    streams = cast("Sequence[bytes]", parcels)
    try:
        return list(map(pickle.loads, streams))
    except (Exception, SystemExit):  # noqa: BLE001 - see above
        return None


def _writable(buffers: Iterable[Frame]) -> Iterable[Frame]:
    for buffer in buffers:
        yield _own(buffer) if memoryview(buffer).readonly else buffer


def _own(buffer: Frame) -> Frame:
    sealed = held.sealed_in(buffer)
    try:
        return bytearray(buffer) if sealed is None else memory.own(sealed)
    except OSError:  # no descriptor for it, or no more mappings
        return bytearray(buffer)


def _reason(exc: Exception) -> str:
    text = str(exc)
    if isinstance(exc, (TypeError, pickle.PicklingError)) and text:
        return text
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def describe(function: Callable[..., Any]) -> str:
    """Return what people call a function; partials are looked through."""
    while hasattr(function, "func"):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"the function {name}"
