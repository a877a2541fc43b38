"""The part that cannot be pickled is named."""

import functools
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import attrs
import pytest

from gridmap.errors import UnpicklableError
from gridmap.payload import dump

LOCK = threading.Lock()


class Pair(NamedTuple):
    """A named tuple."""

    left: object
    right: object


@attrs.define
class Slotted:
    """Keeps its attributes in slots."""

    good: object
    bad: object


class Picky:
    """Leaves its lock out of its state, as a careful class does."""

    def __init__(self, payload: object) -> None:
        self.lock = LOCK
        self.payload = payload

    def __getstate__(self) -> dict[str, object]:
        return {"payload": self.payload}


class Unspeakable:
    """Cannot be shown either."""

    def __init__(self) -> None:
        self.lock = LOCK

    def __repr__(self) -> str:
        raise NotImplementedError


class Rebuilt:
    """Pickles as a call with arguments."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[object, ...]:
        return Rebuilt, self.arguments, [LOCK]


class Opaque(Rebuilt):
    """Has only its arguments."""

    def __reduce__(self) -> tuple[object, ...]:
        return Opaque, self.arguments


class Nameless:
    """Says that it is a global of its module, which it is not."""

    def __reduce__(self) -> str:
        return "no_such_global"


class Nonsense:
    """Says nothing that makes sense."""

    def __reduce__(self) -> tuple[object, ...]:
        return Nonsense, None


def in_closure() -> Callable[[], object]:
    lock = LOCK
    return lambda: lock


def in_deeper_closure() -> object:
    model = SimpleNamespace(lock=LOCK)

    def inner() -> object:
        return model

    return lambda: inner()  # noqa: PLW0108 - a closure in a closure


def as_default() -> object:
    return lambda x, y=LOCK: (x, y)


def as_keyword_default() -> object:
    return lambda *, y=LOCK: y


def as_attribute_of_function() -> object:
    function: Any = lambda: None  # noqa: E731 - the subject
    function.lock = LOCK
    return function


def as_annotation() -> object:
    function: Any = lambda x: x  # noqa: E731 - the subject
    function.__annotations__ = {"x": LOCK}
    return function


def as_global() -> object:
    return lambda: [LOCK for _ in range(3)]


def in_class() -> object:
    class Local:
        lock = LOCK

    return Local()


def in_method() -> object:
    lock = LOCK

    class Local:
        @staticmethod
        def method() -> object:
            return lock

        @property
        def harmless(self) -> int:
            return 1

    return Local


def in_base() -> object:
    class Base:
        lock = LOCK

    class Derived(Base):
        pass

    return Derived


def as_bound_method() -> object:
    return Slotted(1, LOCK).__repr__


def in_cycle() -> object:
    parent = SimpleNamespace(name="p")
    child = SimpleNamespace(parent=parent, lock=LOCK)
    parent.child = child
    return parent


def in_exception() -> object:
    error = ValueError("x", LOCK)
    error.add_note("a note")
    return error


def with_empty_cell() -> object:
    def function() -> object:
        return later, LOCK  # noqa: F821 - as unassigned as it looks

    later = 1
    del later
    return function


WAYS: list[tuple[str, Callable[[], object]]] = [
    ("", lambda: LOCK),
    ("[1]", lambda: (1, LOCK)),
    ("['a'][3]", lambda: {"a": [1, 2, 3, LOCK]}),
    (f"key {LOCK!r:.40}…", lambda: {LOCK: 1}),
    (f"element {LOCK!r:.40}…", lambda: {1, LOCK}),
    ("element <Unspeakable>.lock", lambda: frozenset([Unspeakable()])),
    (".right", lambda: Pair(1, LOCK)),
    (".model.lock", lambda: SimpleNamespace(model=SimpleNamespace(lock=LOCK))),
    (".bad", lambda: Slotted(1, LOCK)),
    (".payload[0]", lambda: Picky([LOCK])),
    ("['x']", lambda: OrderedDict(y=1, x=LOCK)),
    ("['x']", lambda: defaultdict(None, x=LOCK)),
    ("[1]", lambda: deque([1, LOCK])),
    ("state[0]", Rebuilt),
    ("constructor argument 1", lambda: Opaque(1, LOCK)),
    (".keywords['file']", lambda: functools.partial(print, file=LOCK)),
    (".func closure variable 'lock'", lambda: functools.partial(in_closure())),
    ("closure variable 'lock'", in_closure),
    ("closure variable 'inner' closure variable 'model'.lock", in_deeper_closure),
    ("default of argument 'y'", as_default),
    ("default of argument 'y'", as_keyword_default),
    (".lock", as_attribute_of_function),
    ("annotation of 'x'", as_annotation),
    ("global 'LOCK'", as_global),
    (".__class__.lock", in_class),
    (".method.__func__ closure variable 'lock'", in_method),
    ("base class 'in_base.<locals>.Base'.lock", in_base),
    (".__self__.bad", as_bound_method),
    (".child.lock", in_cycle),
    (".args[1]", in_exception),
    ("global 'LOCK'", with_empty_cell),
]


@pytest.mark.parametrize(
    ("path", "make"), WAYS, ids=[f"{n}-{way[0][:30]}" for n, way in enumerate(WAYS)]
)
def test_the_smallest_part_at_fault_is_named(
    path: str, make: Callable[[], object]
) -> None:
    """The path leads to the lock, through whatever holds it."""
    with pytest.raises(UnpicklableError, match="cannot pickle") as caught:
        dump(make(), what="input 0")
    assert caught.value.path == path
    assert "lock" in caught.value.reason


def test_the_search_is_bounded() -> None:
    """A culprit behind a hundred thousand good parts is not looked for."""
    with pytest.raises(UnpicklableError) as caught:
        dump([*range(200_000), LOCK], what="input 0")
    assert caught.value.path == ""


@pytest.mark.parametrize("kind", [Nameless, Nonsense])
def test_a_broken_reduce_is_the_objects_own_fault(kind: type) -> None:
    """Whatever a class says about its pickling, the way to it is told."""
    with pytest.raises(UnpicklableError) as caught:
        dump({"a": SimpleNamespace(b=kind())}, what="input 0")
    assert caught.value.path == "['a'].b"


def test_the_way_is_bounded() -> None:
    """A culprit that is nested very deep is told as far as one would read."""
    nested: object = LOCK
    for _ in range(50):
        nested = [nested]
    with pytest.raises(UnpicklableError) as caught:
        dump(nested, what="input 0")
    assert caught.value.path == "[0]" * 30
