"""One contender of `growth.py`, in a process of its own.

Usage, by that: ``python _growing.py WHAT NAME SIZE...``. Prints a line for each size,
as soon as it has been measured: the size, and the seconds a job.
"""

import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import _peers
import numpy as np

LIMIT_S = 30.0
"""What is expected to take longer is not begun."""
ENOUGH_S = 1.0
"""What takes less is done again, up to TIMES times."""
TIMES = 20
ANEW = "grid_map, with its start"
PLENTY = 100_000
"""Jobs of a measurement with several runners, for those that are fast."""


def same(array: Any) -> Any:
    """Return what was given."""
    return array


def rest(seconds: float) -> None:
    """Keep a worker, so that others are needed."""
    import time  # noqa: PLC0415 - Parsl sends this function without its module

    time.sleep(seconds)


class Contender(Protocol):
    """What is asked of each; `concurrent.futures.Executor` has it."""

    def map(self, function: Callable[..., Any], inputs: Iterable[Any], /) -> Any:
        """Call a function for each input, elsewhere; return an iterable."""

    def submit(self, function: Callable[..., Any], argument: Any, /) -> Any:
        """Call a function elsewhere; return a future."""


class _Known:
    """A future that is over."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        return self._value


class _Pool:
    """`multiprocessing.Pool`, in its own chunks: a quarter of each worker's share."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def map(self, function: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        return self._pool.map(function, inputs)

    def submit(self, function: Callable[..., Any], argument: Any) -> _Known:
        return _Known(self._pool.apply(function, (argument,)))


class _Joblib:
    """joblib, in batches that it sizes itself."""

    def __init__(self, parallel: Any) -> None:
        self._parallel = parallel

    def map(self, function: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        return self._parallel((function, (one,), {}) for one in inputs)

    def submit(self, function: Callable[..., Any], argument: Any) -> _Known:
        return _Known(self._parallel([(function, (argument,), {})])[0])


class _Anew:
    """`grid_map`, which starts its runners for each map."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, function: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        from gridmap import grid_map  # noqa: PLC0415 - the others do not need it

        return grid_map(
            function, inputs, backend="local", max_workers=self._workers, quiet=True
        )

    def submit(self, function: Callable[..., Any], argument: Any) -> _Known:
        return _Known(self.map(function, [argument])[0])


@contextlib.contextmanager
def started(name: str, workers: int) -> Iterator[Contender]:
    """Start a contender, and have each of its workers do something."""
    _peers.WORKERS = workers
    with contextlib.ExitStack() as stack:
        found: Contender
        if name == "multiprocessing":
            found = _Pool(stack.enter_context(multiprocessing.Pool(workers)))
        elif name == ANEW:
            found = _Anew(workers)
        elif name == "joblib":
            from joblib import Parallel  # noqa: PLC0415 - need not be there

            found = _Joblib(stack.enter_context(Parallel(workers)))
        else:
            peers = (_peers.OURS, *_peers.PEERS)
            (peer,) = (one for one in peers if one.name == name)
            found = stack.enter_context(peer.start())
        list(found.map(rest, [0.1] * 2 * workers))
        list(found.map(abs, range(100)))
        yield found


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def jobs(name: str, sizes: list[int]) -> Iterator[tuple[int, float]]:
    """Map a function that does nothing over ever more inputs, by two workers."""
    last, before = 0.0, 1
    with started(name, 2) as contender:
        for size in sizes:
            if last * size / before > LIMIT_S:
                return
            taken = [seconds(lambda: list(contender.map(abs, range(size))))]  # noqa: B023 - called at once
            while sum(taken) < ENOUGH_S and len(taken) < TIMES:
                taken.append(seconds(lambda: list(contender.map(abs, range(size)))))  # noqa: B023 - likewise
            last, before = statistics.median(taken), size
            yield size, last / size


def runners(name: str, sizes: list[int]) -> Iterator[tuple[int, float]]:
    """Map a function that does nothing by as many workers as are asked for."""
    for size in sizes:
        with started(name, size) as contender:
            count = 1000
            taken = seconds(lambda: list(contender.map(abs, range(count))))  # noqa: B023 - called at once
            more = min(PLENTY, int(count * ENOUGH_S / taken))
            if more > count:
                count = more
                taken = seconds(lambda: list(contender.map(abs, range(count))))  # noqa: B023 - likewise
            yield size, taken / count


def payload(name: str, sizes: list[int]) -> Iterator[tuple[int, float]]:
    """Send random bytes there and back, one job at a time."""
    random, last, before = np.random.default_rng(), 0.0, 1
    with started(name, 2) as contender:
        for size in sizes:
            if last > ENOUGH_S and last * size / before > LIMIT_S:
                return
            taken: list[float] = []
            while sum(taken) < ENOUGH_S and len(taken) < TIMES:
                words = random.integers(0, 2**63, size // 8 + 1, dtype=np.uint64)
                array = words.view(np.uint8)[:size]
                taken.append(
                    seconds(lambda: contender.submit(same, array).result())  # noqa: B023 - called at once
                )
            last, before = statistics.median(taken), size
            yield size, last


WAYS = {"jobs": jobs, "runners": runners, "payload": payload}

if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as figures:
        os.dup2(2, 1)  # contenders print, too: Ray warns of many workers there
        wanted = [int(one) for one in sys.argv[3:]]
        for at, each in WAYS[sys.argv[1]](sys.argv[2], wanted):
            print(at, each, file=figures, flush=True)
