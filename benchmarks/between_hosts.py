"""One large array to a runner on another host and back, encrypted.

Usage: ``python benchmarks/between_hosts.py [MEGABYTES [ROUNDS]]``, as root.

Runners come over TCP and see no process but their own (`_hosts_backend`). Ours as it is
takes turns with ours where the port for large data cannot be had, so that all goes
through CURVE, with what the machine needs at least to seal and open as many bytes, and
with Parsl's encrypted HighThroughputExecutor where that is installed. Compare the
medians of one run only.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _hosts_backend import NAME, install
from _peers import parsl

from gridmap import GridExecutor
from gridmap.transport.bulk.sealing import (
    PIECE_BYTES,
    TAG_BYTES,
    Seal,
    fresh_key,
    fresh_ticket,
)

ONE_PORT = "45999"
"""A port range without room for the second port, that of large data."""


def same(array: Any) -> Any:
    """Return what was given."""
    return array


def seal_and_open(array: Any) -> None:
    """Do what cannot be left out on the way there and back, in one thread."""
    view = memoryview(array).cast("B")
    key, ticket = fresh_key(), fresh_ticket()
    plain = memoryview(bytearray(PIECE_BYTES))
    room = memoryview(bytearray(PIECE_BYTES + TAG_BYTES))
    for _ in range(2):
        closing, opening = (Seal(key, ticket, len(view)) for _ in range(2))
        for at in range(0, len(view), PIECE_BYTES):
            sealed = closing.close(view[at : at + PIECE_BYTES], room)
            opening.open(sealed, plain)


@contextlib.contextmanager
def ours(ports: str | None) -> Iterator[Callable[[Any], object]]:
    """Yield what sends an array there and back; *ports* as the setting."""
    settings: dict[str, object] = {"host": "127.0.0.1", "port_range": ports}
    with GridExecutor(1, backend=NAME, settings=settings) as executor:
        yield lambda array: executor.submit(same, array).result()


def main(megabytes: int, rounds: int) -> None:
    """Let the contenders take turns and print their medians."""
    taken: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        install(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        ways = {
            "gridmap": stack.enter_context(ours(None)),
            "gridmap, all through CURVE": stack.enter_context(ours(ONE_PORT)),
            "sealing and opening alone": seal_and_open,
        }
        if find_spec("parsl") is not None:
            theirs = stack.enter_context(parsl(encrypted=True))
            ways["Parsl, encrypted"] = lambda array: theirs.submit(same, array).result()
        for number in range(rounds + 1):
            array = np.random.default_rng(number).random(megabytes * 125_000)
            for name, run in ways.items():
                begin = time.perf_counter()
                run(array)
                if number:  # the first round warms up
                    taken.setdefault(name, []).append(time.perf_counter() - begin)
    print(f"one array of {megabytes} MB there and back, load {os.getloadavg()[0]:.0f}")
    mine = statistics.median(taken["gridmap"])
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"    {name:30} {median:8.3f} s   {median / mine:6.1f} x ours")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [100, 3][len(given) :]))
