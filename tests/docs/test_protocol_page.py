"""The specification of the wire protocol says what the code does."""

import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.protocol.messages import fields

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "protocol.md"
TEXT = PAGE.read_text()

ALIASES = {
    str(alias): name.lower()
    for name, alias in vars(fields).items()
    if typing.get_origin(alias) is typing.Annotated
}
BOTH = (*typing.get_args(m.FromRunner), *typing.get_args(m.FromMonitor))
MESSAGES = tuple(dict.fromkeys(BOTH))  # what either says stands there once


def section(name: str) -> str:
    """Return the text under a message's heading, without deeper headings."""
    match = re.search(
        rf"^(#{{3,4}}) {name}\n(.*?)(?=^#{{2,4}} )", TEXT, re.MULTILINE | re.DOTALL
    )
    assert match is not None, f"{PAGE.name} has no section {name}"
    return match[2]


def rows(name: str) -> list[tuple[str, str, str]]:
    """Return the fields in a message's table: name, type, default."""
    found = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", section(name), re.MULTILINE)
    return [(field, kind.strip(), default.strip()) for field, kind, default in found]


def words(annotation: Any) -> str:
    """Say a type in the page's words."""
    if str(annotation) in ALIASES:
        return ALIASES[str(annotation)]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {types.UnionType, typing.Union}:
        return f"{words(inner[0])} or nil"
    if origin is tuple:
        count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        return f"array of {count}{words(inner[0])}"
    if origin is dict:
        return f"map of {words(inner[0])} to {words(inner[1])}"
    if origin is typing.Annotated:
        least, most = inner[1].ge, inner[1].le
        return f"{words(inner[0])} from {least}" + (f" to {most}" if most else "")
    return str(annotation.__name__)


def default(field: msgspec.structs.FieldInfo) -> str:
    """Return a field's default as the page writes it, empty if it has none."""
    if field.required:
        return ""
    if field.default is msgspec.NODEFAULT:
        return "empty"  # made by a factory
    plain = {
        "()": "empty",
        "''": "empty",
        "None": "nil",
        "False": "false",
        "b''": "empty",
    }
    plain |= {"0.0": "0", "0": "0"}
    return plain.get(repr(field.default), f"`{field.default}`")


def test_the_version_is_the_codes() -> None:
    """The page is the specification of the version that the code speaks."""
    assert re.findall(r"It is \*\*version (\d+)\*\*", TEXT) == [str(m.VERSION)]


def test_every_message_is_there_and_no_other() -> None:
    """The tags of the page are the tags of the code."""
    tags = re.findall(r"^Tag `([a-z-]+)`", TEXT, re.MULTILINE)
    assert sorted(tags) == sorted(kind.__struct_config__.tag for kind in MESSAGES)


@pytest.mark.parametrize("kind", [*MESSAGES, m.Failure], ids=lambda kind: kind.__name__)
def test_fields_are_the_codes(kind: type[msgspec.Struct]) -> None:
    """Names, order, types and defaults of the fields are the code's."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = msgspec.structs.fields(kind)
    expected = [(f.name, words(hints[f.name]), default(f)) for f in fields]
    assert rows(kind.__name__) == expected


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_tags_stand_with_their_message(kind: type[msgspec.Struct]) -> None:
    """Each section begins with the tag of its message, and says if it is numbered."""
    first = section(kind.__name__).strip().splitlines()[0]
    assert first.startswith(f"Tag `{kind.__struct_config__.tag}`")
    numbered = "number" in kind.__struct_fields__ and kind not in {m.Beat, m.Echo}
    assert ("numbered" in first) == numbered


def test_kinds_are_the_codes() -> None:
    """The numbers of `Kind` stand in the table of failures."""
    told = " ".join(section("Failure").split())
    for kind in m.Kind:
        assert f"{kind.value} {kind.name.lower()}" in told


def test_limits_are_the_codes() -> None:
    """A control message may be as long as the page says."""
    mib = codec.LARGEST_CONTROL // 2**20
    assert f"| control message | {mib} MiB |" in TEXT
