"""Amounts and times as users write them."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InvalidResourceError
from gridmap.resources import (
    Resources,
    format_memory,
    make_resources,
    parse_memory,
    parse_walltime,
)

UNITS = {"": 1, "B": 1, "k": 1024, "KiB": 1024, "M": 1024**2, "gb": 1024**3, "T": 2**40}


@pytest.mark.parametrize("unit", UNITS)
@given(amount=st.integers(1, 10**6), space=st.sampled_from(["", " ", "\t"]))
def test_units_are_powers_of_1024_in_either_case(
    unit: str, amount: int, space: str
) -> None:
    """``2G``, ``2 GiB`` and ``2gb`` are the same amount."""
    assert parse_memory(f"{amount}{space}{unit}") == amount * UNITS[unit]


@pytest.mark.parametrize(
    "text",
    ["", " ", "1Q", "-1", "G", "1 2G", "1e3", "0", "0.5", "nan", "inf", "1,5G"],
)
def test_a_senseless_amount_is_refused_by_name(text: str) -> None:
    """The error names the argument and shows how it is written."""
    with pytest.raises(InvalidResourceError, match="memory_limit="):
        Resources(memory_limit=text)


@pytest.mark.parametrize(
    ("given", "advice"),
    [(2, "write '2M' or '2G'"), ("4096", "write '4096M'"), ("512K", "less than any")],
)
@pytest.mark.parametrize("name", ["memory", "memory_limit"])
def test_an_amount_in_another_unit_is_refused_with_advice(
    name: str, given: Any, advice: str
) -> None:
    """Other tools take gigabytes or megabytes; a job of two bytes would only die."""
    with pytest.raises(InvalidResourceError, match=rf"{name}=.*{advice}"):
        make_resources({name: given})
    assert make_resources({name: 2**20}) == make_resources({name: "1M"})


@pytest.mark.parametrize("value", [0, -5, True, 0.5])
def test_numbers_of_bytes_are_positive_whole_numbers(value: Any) -> None:
    """A bool or a fraction of a byte is a mistake, not an amount."""
    with pytest.raises(InvalidResourceError):
        parse_memory(value)


@given(amount=st.integers(1, 2**60))
def test_bytes_stay_bytes(amount: int) -> None:
    """A number is taken as it is, and so is its text."""
    assert parse_memory(amount) == amount
    assert format_memory(amount)


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_an_error(text: str) -> None:
    """Nothing else is raised, and nothing below one byte is accepted."""
    try:
        amount = parse_memory(text)
    except InvalidResourceError:
        return
    assert amount is not None
    assert amount >= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5h", 5400),
        ("90 min", 5400),
        ("01:30:00", 5400),
        ("2:30", 150),
        ("1-0", 86400),
        ("1-12:30", 131400),
        ("2-12:00:00", 216000),
        (timedelta(minutes=2), 120),
        (0.2, 1),
        (59.5, 60),
        (None, None),
    ],
)
def test_times_are_read_as_schedulers_write_them(
    text: Any, seconds: int | None
) -> None:
    """Seconds, clocks with and without days, and spans; rounded up."""
    assert parse_walltime(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0:00", -1, "-1", math.nan, math.inf, "1:2:3:4", "x", "1-", "h"],
    ids=repr,
)
def test_a_senseless_time_is_refused(text: Any) -> None:
    """What is no positive length of time is an error that names the argument."""
    with pytest.raises(InvalidResourceError, match="walltime="):
        Resources(walltime=text)


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    """Nothing else is raised, and no time is below a second."""
    try:
        seconds = parse_walltime(text)
    except InvalidResourceError:
        return
    assert seconds is not None
    assert seconds >= 1


@pytest.mark.parametrize(
    "fields",
    [
        {"cores": 0},
        {"cores": 1.0},
        {"cores": True},
        {"gpus": -1},
        {"queue": ""},
        {"queue": "a\nb"},
        {"nodes": ["ok", ""]},
        {"native": ["a\0"]},
    ],
    ids=str,
)
def test_senseless_fields_are_refused(fields: dict[str, Any]) -> None:
    """Counts are whole and not negative, texts are one line."""
    with pytest.raises(InvalidResourceError, match=next(iter(fields))):
        Resources(**fields)


def test_equal_requests_are_equal_however_written() -> None:
    """Jobs with equal resources share runners, so spelling must not matter."""
    one = Resources(memory="2G", walltime="1:00", nodes="a", options={"b": 1, "a": 2})
    two = make_resources(
        {"memory": 2**31, "walltime": 60, "nodes": ("a",), "options": {"a": 2, "b": 1}}
    )
    assert one == two
    assert hash(one) == hash(two)
    assert one.option("a") == "2"
    assert one.option("c") is None


def test_unknown_fields_are_named() -> None:
    """A typing error in a mapping is told, with what there is."""
    with pytest.raises(InvalidResourceError, match=r"'memroy'.*'memory'"):
        make_resources({"memroy": "1G"})


def test_resources_pass_through() -> None:
    """None means the defaults; a `Resources` is returned as it is."""
    assert make_resources(None) == Resources()
    assert make_resources(Resources(cores=2)) == Resources(cores=2)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1, "1 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (2**31 - 2**25, "1.97 GiB"),
        (3 * 2**40, "3 TiB"),
    ],
)
def test_amounts_are_short_for_people(amount: int, text: str) -> None:
    """Three digits say enough."""
    assert format_memory(amount) == text
