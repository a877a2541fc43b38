"""What all public values have in common: they are made by name, kept, and compared."""

import copy
import enum
import inspect
import pickle
import types
import typing
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gridmap import backend, events, explanation, plugins, programs, resources
from gridmap import retry as retrying
from gridmap import verdict as judging
from gridmap.backend import Handle, RunContext, Seen, SeenState
from gridmap.checking import Checking
from gridmap.desk import Desk
from gridmap.events import JobsRestored
from gridmap.retry import Escalate, Retry
from gridmap.settings import Settings

MODULES = (
    *(backend, events, explanation, judging, plugins, programs, resources, retrying),
)
NEEDED: dict[type, dict[str, Any]] = {Escalate: {"memory": ["1G"]}}
BY_PLACE: dict[type, int] = {Handle: 2, Retry: 1}
"""How many of their fields may be given without a name."""


def _public() -> Iterator[type[msgspec.Struct]]:
    yield Settings
    for module in MODULES:
        for name, value in vars(module).items():
            made = inspect.isclass(value) and issubclass(value, msgspec.Struct)
            if made and not name.startswith("_"):
                yield value


PUBLIC = sorted(set(_public()), key=lambda kind: kind.__name__)
CHECKING = [kind for kind in PUBLIC if issubclass(kind, Checking)]


def _sample(hint: Any) -> Any:
    """Return some value that an annotation allows."""
    if isinstance(hint, types.UnionType):
        return _sample(typing.get_args(hint)[0])
    kind = typing.get_origin(hint) or hint
    if kind is Mapping:
        return {}
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if issubclass(kind, msgspec.Struct):
        return make(kind)
    known = {str: "a:b", float: 1.0, int: 1, bool: True, Path: Path("/nowhere")}
    return known.get(kind, kind())


def make(kind: type[Any], **given: Any) -> Any:
    """Make a value of a kind, with what must be said and no more."""
    hints = typing.get_type_hints(kind)
    must = [field.name for field in msgspec.structs.fields(kind) if field.required]
    fields = {name: _sample(hints[name]) for name in must}
    return kind(**fields | NEEDED.get(kind, {}) | given)


def shown(value: Any) -> list[str]:
    """Return the fields that a value's text is to have."""
    concealed = getattr(value, "concealed", ())
    return [name for name in value.__struct_fields__ if name not in concealed]


each = pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)


@each
def test_fields_are_given_by_name(kind: type[Any]) -> None:
    """A field more, tomorrow, shall not shift what calls say today."""
    value = make(kind)
    given = msgspec.structs.astuple(value)
    allowed = BY_PLACE.get(kind, 0)
    for count in range(1, len(given) + 1):
        if count <= allowed:
            assert kind(*given[:count]) is not None
        else:
            with pytest.raises(TypeError, match="positional"):
                kind(*given[:count])
    with pytest.raises(TypeError, match="no_such_field"):
        make(kind, no_such_field=1)


@each
def test_values_do_not_change(kind: type[Any]) -> None:
    """So they may be handed on, and used in any thread."""
    value = make(kind)
    for name in value.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(value, name, getattr(value, name))


@each
def test_equal_values_are_one_in_a_set(kind: type[Any]) -> None:
    """Whatever mappings they have; and a text tells what they are."""
    value, other = make(kind), make(kind)
    assert value == other
    assert len({value, other}) == 1
    assert value != object()
    assert repr(value).startswith(f"{kind.__name__}(")
    assert all(f"{name}=" in repr(value) for name in shown(value))


@each
def test_copies_are_equal(kind: type[Any]) -> None:
    """Be they made by copying, by pickling, or with a field replaced by itself."""
    value = make(kind)
    copies = [copy.copy(value), msgspec.structs.replace(value)]
    if kind is not RunContext:  # whose desk is a live thing, of this process
        copies += [copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert copies == [value] * len(copies)
    assert {hash(one) for one in copies} == {hash(value)}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in CHECKING for name in kind.__struct_fields__],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_what_a_plugin_says_is_of_the_type_it_should_be(
    kind: type[Any], name: str
) -> None:
    """An error where the plugin says it, rather than in the run that hears it."""
    with pytest.raises(TypeError, match=rf"{name}|iterable"):
        make(kind, **{name: 5j})


def test_a_bool_is_no_number_and_an_int_is_a_float() -> None:
    with pytest.raises(
        TypeError, match="exit_status of Autopsy must be of type int or"
    ):
        backend.Autopsy(exit_status=True)
    assert backend.Identity(deadline=5).deadline == 5


def test_what_a_plugin_adds_is_its_own_business() -> None:
    """Its class may have fields besides, of which only it knows what they may be."""

    class Ranked(Seen, frozen=True, kw_only=True):
        rank: Any = 0

    assert Ranked(state=SeenState.QUEUED, rank=3).rank == 3
    node: Any = 5
    with pytest.raises(TypeError, match="node of Ranked must be of type str or None"):
        Ranked(state=SeenState.QUEUED, node=node)


def test_contexts_of_one_run_are_equal_whatever_their_desks() -> None:
    """A plugin may keep what it knows of each run, for as long as there is that run."""
    one, same = make(RunContext, desk=Desk()), make(RunContext, desk=Desk())
    other = make(RunContext, name="another")
    assert one == same != other
    known: weakref.WeakKeyDictionary[RunContext, str] = weakref.WeakKeyDictionary()
    known[one] = "known"
    assert known[same] == "known"
    assert other not in known
    del one
    assert not known


def test_the_states_of_a_million_jobs_are_in_no_text() -> None:
    """An observer that logs what it is told shall not fill a disk."""
    restored = make(JobsRestored, states=bytes(1_000_000))
    assert len(repr(restored)) < 200
