"""Exceptions that survive the journey, or say why they did not.

Many exception classes do not come back from pickling: an ``__init__`` with several
arguments is called with other ones, an attribute holds a socket, the class is known on
one side only. So each exception of a chain is tried, here and before it is sent. One
that does not come back is made again without calling its ``__init__``; if that does not
do either, a `RemoteError` with its name, text and traceback takes its place.

A dumped exception is a plain tuple around inner pickles, which can be read even where
the classes in them cannot be imported.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from gridmap.errors import RemoteError, RemoteTraceback, UnpicklableError
from gridmap.payload.pickling import PROTOCOL, Parcel, dump, load

if TYPE_CHECKING:
    from types import TracebackType

    from gridmap.payload.pickling import Frame

_CHAIN_LENGTH: Final = 8
_NOTES: Final = 100
_TEXT_CHARACTERS: Final = 10_000
_TRACEBACK_CHARACTERS: Final = 200_000
_NONE: Final = -1
_SLOT_MACHINERY: Final = frozenset({"__dict__", "__weakref__"})


class _Link(NamedTuple):
    """One exception of a chain, as it travels: plain data only.

    Attributes:
        type_name: Qualified name of its class.
        text: Its message.
        notes: What ``add_note`` added.
        cause: Index in the chain of its ``__cause__``, or -1.
        context: Likewise of its ``__context__``.
        suppressed: Its ``__suppress_context__``.
        head: Its pickle stream, or None if it cannot travel.
        buffers: How many of the parcel's buffers are its own.
        reason: Why it cannot travel.
    """

    type_name: str
    text: str
    notes: tuple[str, ...]
    cause: int
    context: int
    suppressed: bool
    head: bytes | None
    buffers: int
    reason: str


def dump_exception(exc: BaseException, traceback_text: str) -> Parcel:
    """Pickle an exception with what it was caused by, so that it can be raised again.

    Never raises on account of the exception: what cannot travel is described instead.

    Args:
        exc: The exception. Its traceback is not sent; *traceback_text* is.
        traceback_text: From `format_traceback`.

    Returns:
        A parcel for `load_exception`, not for `load`.
    """
    chain = _chain(exc)
    places = {id(link): place for place, link in enumerate(chain)}
    links: list[_Link] = []
    buffers: list[Frame] = []
    for each in chain:
        parcel, reason = _seal(each)
        links.append(
            _Link(
                type_name=_type_name(type(each)),
                text=_text(each),
                notes=_notes(each),
                cause=places.get(id(each.__cause__), _NONE),
                context=places.get(id(each.__context__), _NONE),
                suppressed=each.__suppress_context__,
                head=None if parcel is None else bytes(parcel.head),
                buffers=0 if parcel is None else len(parcel.buffers),
                reason=reason,
            )
        )
        buffers += () if parcel is None else parcel.buffers
    body = (traceback_text, [tuple(link) for link in links])
    return Parcel(pickle.dumps(body, PROTOCOL), tuple(buffers))


def load_exception(parcel: Parcel) -> BaseException:
    """Make the exception of *parcel* again.

    Args:
        parcel: What `dump_exception` made, from an authenticated sender.

    Returns:
        The exception, of its own class, or a `RemoteError` if it cannot be had here.
        Its ``__cause__`` is a `RemoteTraceback`, unless there is no traceback; a cause
        that it had of its own is its ``__context__``. Never raises.
    """
    try:
        traceback_text, rows = pickle.loads(parcel.head)
        chain = _open([_Link(*row) for row in rows], parcel.buffers, traceback_text)
        exc = chain[0]
    except Exception as error:  # noqa: BLE001 - the caller has to get an exception
        traceback_text = ""
        exc = RemoteError("an exception", "", "", f"unreadable: {_describe(error)}")
    if exc.__cause__ is not None:
        exc.__context__ = exc.__cause__
    exc.__cause__ = RemoteTraceback(traceback_text) if traceback_text else None
    return exc


def read_traceback(parcel: Parcel, limit: int) -> str:
    """Return the traceback of a dumped exception, without making the exception.

    Runs no code that the parcel names, so any thread may call it.

    Args:
        parcel: What `dump_exception` made.
        limit: Characters at most; a longer text loses its middle.

    Returns:
        The text, empty if there is none or the parcel holds something else.
    """
    try:
        text, _ = _PlainData(io.BytesIO(parcel.head)).load()
    except Exception:  # noqa: BLE001 - damaged bytes raise anything
        return ""
    return _shorten(text, limit) if isinstance(text, str) else ""


class _PlainData(pickle.Unpickler):
    """Reads what is made of built-in types alone."""

    def find_class(self, module: str, name: str) -> NoReturn:
        msg = f"plain data does not name {module}.{name}"
        raise pickle.UnpicklingError(msg)


def format_traceback(exc: BaseException) -> str:
    """Return the traceback of *exc* as text, without gridmap's own frames on top.

    All frames are kept if all are gridmap's own. Very long texts lose their middle.
    Never raises.
    """
    import traceback  # noqa: PLC0415 - 2 ms that imports need not pay

    frames = exc.__traceback__
    while frames is not None and _is_ours(frames):
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(type(exc), exc, frames or exc.__traceback__)
    except Exception as error:  # noqa: BLE001 - users' classes may raise anything
        return f"{_type_name(type(exc))}: (no traceback: {_describe(error)})\n"
    return _shorten("".join(lines), _TRACEBACK_CHARACTERS)


def _is_ours(frames: TracebackType) -> bool:
    names = frames.tb_frame.f_globals
    # A package run with -m has the name __main__, but still its package.
    return any(
        str(names.get(key)).partition(".")[0] == "gridmap"
        for key in ("__name__", "__package__")
    )


def _chain(exc: BaseException) -> list[BaseException]:
    """Return *exc* and what led to it, each once, nearest first."""
    chain = [exc]
    for each in chain:  # grows while it is walked
        for other in (each.__cause__, each.__context__):
            known = any(other is link for link in chain)
            if other is not None and not known and len(chain) < _CHAIN_LENGTH:
                chain.append(other)
    return chain


def _seal(exc: BaseException) -> tuple[Parcel | None, str]:
    """Return a parcel from which *exc* was seen to come back, or None and why not."""
    parcel, reason = _try(exc, exc)
    if parcel is not None and not reason:
        return parcel, ""
    if _has_builtin_reduce(type(exc)):
        bare, _ = _try(exc, _Bare(exc))
        if bare is not None:
            return bare, ""
    return parcel, reason


def _try(exc: BaseException, form: object) -> tuple[Parcel | None, str]:
    """Dump and load *form*.

    Returns:
        The parcel, or None if no exception of the same class came back; and what was
        wrong, which with a parcel means that it was not quite the same.
    """
    try:
        parcel = dump(form, what="the exception")
        copy = load(parcel)
    except UnpicklableError as error:
        where = f"{error.path}: " if error.path else ""
        return None, f"{where}{error.reason}"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - runs users' __init__
        return None, f"it cannot be made again: {_describe(error)}"
    if type(copy) is not type(exc):
        return None, f"it came back as {_type_name(type(copy))}"
    if _text(copy) != _text(exc):
        return parcel, "its message changed"
    in_slots = _attributes(exc).keys() - vars(exc).keys()
    return parcel, "pickling forgets its slots" if in_slots else ""


class _Bare:
    """Pickles as an exception that is made without its class's ``__init__``."""

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments, state = (*self.exc.__reduce__(), None)[:3]
        return _revive, (kind, arguments, _attributes(self.exc) | (state or {}))


def _revive(
    kind: type[BaseException], arguments: tuple[object, ...], state: dict[str, object]
) -> BaseException:
    """Make an exception from what its built-in base class knows of it."""
    builtin: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    exc: BaseException = builtin.__new__(kind, *arguments)
    builtin.__init__(exc, *arguments)
    for name, value in state.items():
        object.__setattr__(exc, name, value)  # classes may be frozen
    return exc


def _attributes(exc: object) -> dict[str, object]:
    """Return what an exception holds, in its slots too, which pickling forgets."""
    attributes = dict(vars(exc))
    for base in type(exc).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in _SLOT_MACHINERY and hasattr(exc, name):
                attributes[name] = getattr(exc, name)
    return attributes


def _has_builtin_reduce(kind: type[BaseException]) -> bool:
    own = {
        name
        for base in kind.__mro__
        if base.__module__ != "builtins"
        for name in vars(base)
    }
    return own.isdisjoint({"__reduce__", "__reduce_ex__"})


def _open(
    links: list[_Link], buffers: tuple[Frame, ...], traceback_text: str
) -> list[BaseException]:
    chain: list[BaseException] = []
    for link in links:
        mine, buffers = buffers[: link.buffers], buffers[link.buffers :]
        exc = _open_link(link, mine, traceback_text)
        if link.notes and not hasattr(exc, "__notes__"):
            exc.__notes__ = list(link.notes)
        chain.append(exc)
    for exc, link in zip(chain, links, strict=True):
        exc.__cause__ = None if link.cause == _NONE else chain[link.cause]
        exc.__context__ = None if link.context == _NONE else chain[link.context]
        exc.__suppress_context__ = link.suppressed
    return chain


def _open_link(
    link: _Link, buffers: tuple[Frame, ...], traceback_text: str
) -> BaseException:
    reason = link.reason
    if link.head is not None:
        try:
            exc = load(Parcel(link.head, buffers))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - imports users' code
            reason = f"it cannot be made here: {_describe(error)}"
        else:
            if isinstance(exc, BaseException):
                return exc
            reason = f"it came out as {_type_name(type(exc))}"
    return RemoteError(link.type_name, link.text, traceback_text, reason)


def _type_name(kind: type) -> str:
    module = kind.__module__
    return (
        kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    )


def _text(exc: object) -> str:
    try:
        return _shorten(str(exc), _TEXT_CHARACTERS)
    except Exception as error:  # noqa: BLE001 - users' __str__ may raise anything
        return f"(no message: str() raised {type(error).__name__})"


def _notes(exc: BaseException) -> tuple[str, ...]:
    notes = getattr(exc, "__notes__", None)
    if not isinstance(notes, list):
        return ()
    return tuple(_text(note) for note in notes[:_NOTES])


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)}"


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
