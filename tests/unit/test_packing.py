"""Any text can be sent and written down, such as the names of files that are none."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.driver import driving

from gridmap.packing import pack
from gridmap.protocol import codec
from gridmap.protocol import messages as m
from gridmap.verdict import Cause, Verdict

LATIN = b"x\xe9".decode(errors="surrogateescape")


@given(
    st.dictionaries(st.text(), st.lists(st.text() | st.integers(0, 9) | st.binary()))
)
def test_what_is_text_is_packed_as_it_is(value: dict[str, list[object]]) -> None:
    """As msgpack has it, byte for byte."""
    assert pack(value) == msgspec.msgpack.encode(value)


@pytest.mark.parametrize(
    "value",
    [
        Verdict(cause=Cause.LOST, job=LATIN, attempt=1),
        m.Content(digest=b"\xff", once=True),
    ],
    ids=["text", "bytes"],
)
def test_what_is_no_text_is_escaped_and_all_else_stays(value: msgspec.Struct) -> None:
    """Structs, enumerations, bytes and tags come back as they were."""
    packed = pack([value, {LATIN: (LATIN, b"\xe9")}])
    plain, others = msgspec.msgpack.decode(packed)
    back = msgspec.convert(plain, type(value))
    assert others == {"x\\udce9": ["x\\udce9", b"\xe9"]}
    if isinstance(value, Verdict):
        value = msgspec.structs.replace(value, job="x\\udce9")
    assert back == value


def test_a_directory_that_is_no_text_can_be_told() -> None:
    """A runner that cannot enter it stays where it was started."""
    welcome = m.Welcome(
        version=m.VERSION,
        interval=1.0,
        orphan=1.0,
        environment={},
        directory=LATIN,
        path=(),
        compression="none",
        grace=1.0,
    )
    heard = codec.decode_from_monitor(codec.encode(welcome))
    assert isinstance(heard, m.Welcome)
    assert heard.directory == "x\\udce9"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["chdir", "name", "resume"])
def test_a_map_goes_whatever_its_surroundings_are_called(
    way: str, tmp_path: Path
) -> None:
    """Not even a word of it is told: a run is written down as ever."""
    text = f"""
        import os, sys
        from gridmap import grid_map

        latin = b"x\\xe9"
        os.mkdir(latin)
        named = {{}}
        if "{way}" == "chdir":
            os.chdir(latin)
        else:
            named["{way}"] = os.fsdecode(latin)
        try:
            grid_map(int, ["no"], backend="local", **named)
        except ValueError:
            print(grid_map(abs, [-1], backend="local", progress=False))
    """
    environ = {"GRIDMAP_RUNS": str(tmp_path / "runs")}
    with driving(tmp_path, text, environ=environ) as driver:
        assert driver.output(60) == "[1]\n"
        assert "failed" not in driver.stderr
