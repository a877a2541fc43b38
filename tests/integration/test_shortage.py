"""A job that its process's limit refuses memory is told which limit that is."""

import functools
import resource
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from gridmap import grid_map
from gridmap.events import AnyEvent, JobFailed

MIB: Final = 2**20
LIMIT: Final = 1536 * MIB


def at_once() -> object:
    """Ask for more than there may be."""
    return bytearray(8 * LIMIT)


def as_an_array() -> object:
    """Likewise, where the exception is NumPy's own."""
    return np.ones(LIMIT)


def bit_by_bit() -> object:
    """Ask for little until nothing is left, and hold it."""
    held = []
    while True:
        held.append(bytearray(64 * 1024))
        held.append(bytearray(64))


def limited(kind: int, ask: Callable[[], object], _: int) -> object:
    """Ask for memory in a process that has a limit, as a scheduler's daemon sets it."""
    resource.setrlimit(kind, (LIMIT, LIMIT))
    return ask()


def run(call: Callable[[int], Any]) -> tuple[MemoryError, list[JobFailed]]:
    """Return what a map raised, and what was told of its job."""
    events: list[AnyEvent] = []
    with pytest.raises(MemoryError) as caught:
        grid_map(call, [1], backend="local", progress=events.append)
    return caught.value, [event for event in events if isinstance(event, JobFailed)]


@pytest.mark.parametrize("ask", [at_once, as_an_array, bit_by_bit])
def test_a_limit_of_address_space_is_named(ask: Callable[[], object]) -> None:
    """As h_vmem of Grid Engine is one, where nothing was asked for."""
    error, failed = run(functools.partial(limited, resource.RLIMIT_AS, ask))
    (note,) = error.__notes__
    assert "allows this process 1.5 GiB of address space (RLIMIT_AS, ulimit -v)" in note
    assert "ask for more with memory_limit= (h_vmem=)" in note
    assert note in str(error.__cause__)
    assert [event.verdict.raised[-3:-2] for event in failed] == [("MemoryError",)]


def test_what_is_held_is_told() -> None:
    """So a request that was too large is told from a limit that is used up."""
    used_up, _ = run(functools.partial(limited, resource.RLIMIT_AS, bit_by_bit))
    too_large, _ = run(functools.partial(limited, resource.RLIMIT_AS, at_once))
    assert "and it has 1.5 GiB" in used_up.__notes__[0]
    assert " MiB: ask" in too_large.__notes__[0]


def test_the_limit_that_is_nearest_is_named() -> None:
    """On this machine it is one of private memory."""
    error, failed = run(functools.partial(limited, resource.RLIMIT_DATA, at_once))
    assert "1.5 GiB of private memory (RLIMIT_DATA, ulimit -d)" in error.__notes__[0]
    assert "1.5 GiB of private memory" in failed[0].verdict.statements[0].text


def no_limit(_: int) -> object:
    """Ask for more than there is address space at all."""
    return bytearray(2**62)


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY,
    reason="this machine limits address space",
)
def test_without_a_limit_none_is_named() -> None:
    """What cannot be had anywhere is nobody's limit."""
    error, _ = run(no_limit)
    assert not hasattr(error, "__notes__")
