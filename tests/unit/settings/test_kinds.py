"""What each kind of setting understands."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidSettingError
from gridmap.settings import Settings, kinds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0),
        ("5", 5.0),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("90 s", 90.0),
        ("5m", 300.0),
        ("1.5H", 5400.0),
        ("2d", 172800.0),
        ("1e1", 10.0),
    ],
    ids=repr,
)
def test_lengths_of_time(value: object, seconds: float) -> None:
    """Seconds, or a text with a unit."""
    assert kinds.seconds()(value) == seconds


@pytest.mark.parametrize(
    "value", [-1, "-1", "5 y", "", True, None, math.inf, math.nan], ids=repr
)
def test_what_is_no_length_of_time(value: object) -> None:
    """Negative, endless and unreadable ones are refused."""
    with pytest.raises(ValueError, match="expected a number of seconds"):
        kinds.seconds()(value)


@given(st.floats(min_value=0, max_value=1e300))
def test_a_length_of_time_read_twice_is_the_same(value: float) -> None:
    """Reading what was read changes nothing."""
    assert kinds.seconds()(kinds.seconds()(value)) == value


@pytest.mark.parametrize("value", ["never", "NONE", 0, "0", None], ids=repr)
def test_never(value: object) -> None:
    """There is more than one way to say never."""
    assert kinds.seconds_or_never(value) is None
    assert Settings(stall_limit=value).stall_limit is None  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, "true", "Yes", "ON", "1", 1], ids=repr)
def test_true(value: object) -> None:
    """There is more than one way to say yes."""
    assert kinds.flag(value) is True


@pytest.mark.parametrize("value", [False, "false", "No", "OFF", "0", 0], ids=repr)
def test_false(value: object) -> None:
    """There is more than one way to say no."""
    assert kinds.flag(value) is False


@pytest.mark.parametrize("value", ["", "maybe", 2, None], ids=repr)
def test_neither_true_nor_false(value: object) -> None:
    """What is neither is refused, where GridMap took it as no."""
    with pytest.raises(ValueError, match="expected true or false"):
        kinds.flag(value)


@pytest.mark.parametrize(
    ("value", "ports"),
    [
        ("40000-41000", (40000, 41000)),
        ("40000:41000", (40000, 41000)),
        ("40000", (40000, 40000)),
        (40000, (40000, 40000)),
        ([40000, 41000], (40000, 41000)),
        ((40000, 41000), (40000, 41000)),
    ],
    ids=repr,
)
def test_ports(value: object, ports: kinds.PortRange) -> None:
    """A port or a range of ports."""
    assert kinds.ports(value) == ports


@pytest.mark.parametrize(
    "value", ["0", "2-1", "1-65536", "x", [1, 2, 3], [], None, -5], ids=repr
)
def test_no_ports(value: object) -> None:
    """Ports are from 1 to 65535, the first one first."""
    with pytest.raises(ValueError, match="expected a port"):
        kinds.ports(value)


@pytest.mark.parametrize("value", [0, "-1", 1.5, "1.5", True, "many", ""], ids=repr)
def test_no_count(value: object) -> None:
    """Workers are counted in whole numbers, from one on."""
    with pytest.raises(InvalidSettingError, match=r"max_workers=.*at least 1"):
        Settings(max_workers=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "size"),
    [(1, 1), ("512M", 2**29), ("2GiB", 2**31), ("100", 100)],
    ids=repr,
)
def test_memory(value: object, size: int) -> None:
    """Bytes, or a text with a unit."""
    assert kinds.memory(value) == size


@pytest.mark.parametrize("value", ["", "1Q", 0, -1, True, None, 1.5], ids=repr)
def test_no_memory(value: object) -> None:
    """No amount is refused."""
    with pytest.raises(ValueError, match="expected a number of bytes"):
        kinds.memory(value)


def test_too_little_memory() -> None:
    """The error says how much there has to be."""
    assert Settings(max_message_bytes="1M").max_message_bytes == 2**20  # type: ignore[arg-type] # read
    with pytest.raises(InvalidSettingError, match=r"max_message_bytes=.*least 1M"):
        Settings(max_message_bytes=2**20 - 1)


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have no shell that would do it."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert kinds.path("~/runs") == "/home/ada/runs"
    assert kinds.path(Path("/a b/c")) == "/a b/c"
    with pytest.raises(ValueError, match="expected a path"):
        kinds.path(5)


@pytest.mark.parametrize("value", ["", " ", "a\nb", "a\0b", 5, None], ids=repr)
def test_no_text(value: object) -> None:
    """Texts are of one line; they end up in scheduler's commands."""
    with pytest.raises(ValueError, match="expected a text of one line"):
        kinds.text(value)


def test_a_choice_is_out_of_its_names() -> None:
    """The error lists what there is."""
    assert Settings(compression="ZSTD").compression == "zstd"  # type: ignore[arg-type]
    with pytest.raises(InvalidSettingError, match="expected one of auto, none, zstd"):
        Settings(compression="lzma")  # type: ignore[arg-type]


def test_where_runs_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A setting, else the user's state directory; always absolute."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert Settings().runs() == tmp_path / "state" / "gridmap" / "runs"
    monkeypatch.chdir(tmp_path)
    assert Settings(run_directory="here").runs() == tmp_path / "here"
